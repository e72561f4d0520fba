// The workspace's task list and its revision. Every change is saved at once; two tabs never overwrite each other unasked.
import { ApiError, call } from "./api.js";

const withoutResults = (tasks) => JSON.stringify(tasks.map(({ completed, ...task }) => task));

export class TaskStore extends EventTarget {
  tasks = [];
  revision = null;
  #saving = Promise.resolve();

  /** `resolveConflict(theirs, mine)` answers "theirs", "mine" or null (leave it). */
  constructor(resolveConflict) {
    super();
    this.resolveConflict = resolveConflict;
  }

  async load() {
    await this.#saving.catch(() => {});
    this.#take(await call("/tasks"));
  }

  /**
   * Save what `change(tasks)` returns; one after the other. Resolves to "saved"; after a conflict to "theirs" (their
   * list was loaded instead) or null (nothing was done). Throws ApiError.
   */
  save(change) {
    const saving = this.#saving.catch(() => {}).then(() => this.#save(change));
    this.#saving = saving;
    return saving;
  }

  async #save(change) {
    const base = this.tasks;
    const mine = change(structuredClone(base));
    try {
      this.#take(await this.#put(mine, this.revision));
      return "saved";
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "REVISION_CONFLICT") throw error;
    }
    const theirs = await call("/tasks");
    if (withoutResults(theirs.tasks) === withoutResults(base)) {
      // Only the server itself wrote since (a task succeeded): do the same change on the newer list.
      this.#take(await this.#put(change(structuredClone(theirs.tasks)), theirs.revision));
      return "saved";
    }
    const answer = await this.resolveConflict(theirs.tasks, mine);
    if (answer === "mine") this.#take(await this.#put(mine, (await call("/tasks")).revision));
    if (answer === "theirs") this.#take(await call("/tasks"));
    return answer === "mine" ? "saved" : answer;
  }

  #put(tasks, revision) {
    return call("/tasks", { method: "PUT", body: { tasks, revision } });
  }

  #take({ tasks, revision }) {
    const changed = JSON.stringify(tasks) !== JSON.stringify(this.tasks) || this.revision === null;
    this.tasks = tasks;
    this.revision = revision;
    if (changed) this.dispatchEvent(new Event("change"));
  }
}
