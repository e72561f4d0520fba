// Draws by WebGL while the terminal is shown and the browser can; else xterm.js draws with elements.
import { WebglAddon } from "../../vendor/xterm/addon-webgl.js";

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether there is WebGL 2 by hardware: done by the processor it is slower than elements. */
function hasFastWebgl() {
  const context = document.createElement("canvas").getContext("webgl2", { failIfMajorPerformanceCaveat: true });
  if (!context) return false;
  const names = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE.test(renderer);
}

export class Renderer {
  #term;
  #webgl = null;
  #broken = !hasFastWebgl();

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
      this.#broken = true; // more contexts than the browser gives out
    }
  }

  #drop() {
    const addon = this.#webgl;
    this.#webgl = null;
    addon?.dispose();
  }
}
