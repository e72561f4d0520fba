// Draws by WebGL while the terminal is shown and the browser can; else xterm.js draws with elements.
import { WebglAddon } from "../../vendor/xterm/addon-webgl.js";

export class Renderer {
  #term;
  #webgl = null;
  #broken = false;

  constructor(term) {
    this.#term = term;
  }

  /** "webgl" or "dom". */
  get name() {
    return this.#webgl ? "webgl" : "dom";
  }

  /** A browser has few WebGL contexts, so a hidden terminal gives its own back. */
  show(visible) {
    if (!visible) this.#drop();
    else if (!this.#webgl && !this.#broken) this.#load();
  }

  #load() {
    try {
      const addon = new WebglAddon();
      addon.onContextLoss(() => {
        this.#broken = true;
        this.#drop();
      });
      this.#term.loadAddon(addon);
      this.#webgl = addon;
    } catch {
      this.#broken = true; // no WebGL 2 here
    }
  }

  #drop() {
    const addon = this.#webgl;
    this.#webgl = null;
    addon?.dispose();
  }
}
