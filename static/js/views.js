// The two views of a workspace, remembered in the address: `#tasks`, and `#terminals` or `#terminals/<id>`.
import { byId } from "./dom.js";

const ADDRESS = /^#(tasks|terminals)(?:\/([0-9a-f-]{36}))?$/;

/** `pane.show(shown, id)` is told when the terminals are looked at, and which of them the address names. */
export function useViews(pane) {
  function show() {
    const [, view = null, id = null] = ADDRESS.exec(location.hash) ?? [];
    // Another fragment is a place within the page (the link that skips to the tasks): the view stays.
    const next = view ?? byId("workspace").dataset.view;
    const terminals = next === "terminals";
    byId("workspace").dataset.view = next;
    document.body.classList.toggle("fills", terminals);
    for (const link of byId("views").querySelectorAll("a")) {
      if (link.dataset.view === next) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    pane.show(terminals, id);
  }
  window.addEventListener("hashchange", show);
  show();
}

/** The terminal that is looked at goes into the address without a step in the history. */
export function rememberTerminal(id) {
  history.replaceState(history.state, "", `#terminals/${id}`);
  byId("views").querySelector('[data-view="terminals"]').href = `#terminals/${id}`;
}
