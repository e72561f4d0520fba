// What a person does with a terminal, from whichever place; `went(what, terminal)` follows.
import { toastError } from "../feedback.js";
import { runAgain } from "./api.js";
import { openClose } from "./close_dialog.js";
import { openRename } from "./rename_dialog.js";
import { openShare } from "./share_dialog.js";

/** {rename, share, close, remove, runAgain}, each of one terminal. `opened(terminal)` shows a new one, `left(id, what)` follows a close. */
export function terminalActions(store, { opened, left, canHide = true }) {
  async function closed(terminal, what) {
    const id = terminal.terminalId;
    if (what === "hide") store.hide(id);
    if (what === "remove") store.drop(id);
    if (what === "end") await store.refresh();
    left?.(id, what);
  }
  return {
    async rename(terminal) {
      const changed = await openRename(terminal, { groups: store.groups });
      if (changed) store.apply(changed);
    },
    share: openShare,
    close: (terminal) => openClose(terminal, { canHide, done: (what) => closed(terminal, what) }),
    remove: (terminal) => openClose(terminal, { canHide: false, done: (what) => closed(terminal, what) }),
    async runAgain(terminal) {
      try {
        const made = await runAgain(terminal.terminalId);
        store.apply(made);
        opened(made);
      } catch (error) {
        toastError(error);
      }
    },
  };
}
