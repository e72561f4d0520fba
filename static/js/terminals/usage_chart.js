// CPU and memory of a terminal's process tree, as two small lines of the last minutes.
import { h, setText } from "../dom.js";
import { bytes, t, tn } from "../i18n.js";
import { readUsage } from "./api.js";

const INTERVAL = 5_000;
const POINTS = 36; // three minutes
const [WIDTH, HEIGHT] = [72, 20];
const SVG = "http://www.w3.org/2000/svg";

export class UsageChart {
  #timer = null;
  #shown = false;
  #last = null;
  #asking = false;
  #cpu = [];
  #memory = [];

  constructor(terminalId) {
    this.terminalId = terminalId;
    this.cpu = figure(t("CPU"));
    this.memory = figure(t("Memory"));
    // The figures are text of their own; the words for a screen reader are not read out at every change.
    this.element = h("div", { class: "term-usage", role: "img", hidden: true }, this.cpu.element, this.memory.element);
    document.addEventListener("visibilitychange", () => this.#resume());
  }

  /** Measure while the terminal runs and is looked at; nobody else costs the server a walk through the processes. */
  watch(shown) {
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (!shown) this.#last = null;
    this.element.hidden = !shown || !this.#memory.length;
    this.#resume();
  }

  #resume() {
    clearTimeout(this.#timer);
    if (this.#shown && !document.hidden) this.#measure();
  }

  async #measure() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.#take(await readUsage(this.terminalId));
    } catch {
      this.#last = null; // it has just ended, or the server is away: the state tags say so
    } finally {
      this.#asking = false;
    }
    clearTimeout(this.#timer);
    if (this.#shown && !document.hidden) this.#timer = setTimeout(() => this.#measure(), INTERVAL);
  }

  #take({ cpuSeconds, memoryBytes, processes }) {
    const now = performance.now();
    const before = this.#last;
    this.#last = { cpuSeconds, at: now };
    push(this.#memory, memoryBytes);
    // A process that ended takes its seconds with it: never less than nothing.
    if (before) push(this.#cpu, (Math.max(0, cpuSeconds - before.cpuSeconds) / (now - before.at)) * 100_000);
    const busy = this.#cpu.at(-1);
    const percent = busy === undefined ? "–" : `${busy < 9.95 ? busy.toFixed(1) : Math.round(busy)}%`;
    setText(this.cpu.value, percent);
    setText(this.memory.value, bytes(memoryBytes));
    this.cpu.draw(this.#cpu, 100);
    this.memory.draw(this.#memory, 1);
    const words = t("CPU {cpu}, memory {memory}, {processes}", {
      cpu: percent,
      memory: bytes(memoryBytes),
      processes: tn(processes, "{n} process", "{n} processes"),
    });
    this.element.setAttribute("aria-label", words);
    this.element.title = `${words}\n${t("The terminal's whole process tree; 100% is one processor.")}`;
    this.element.hidden = !this.#shown;
  }
}

function push(values, value) {
  values.push(value);
  if (values.length > POINTS) values.shift();
}

function figure(label) {
  const value = h("b", { class: "numbers" }, "–");
  const line = svg("polyline", { fill: "none", stroke: "currentColor", "stroke-width": "1.5" });
  const area = svg("polygon", { class: "area" });
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  chart.append(area, line);
  const element = h("span", { class: "figure" }, h("span", { class: "what" }, label), chart, value);
  /** `least`: the top of the scale is never lower. */
  function draw(values, least) {
    const top = Math.max(least, ...values) * 1.05;
    const step = WIDTH / (POINTS - 1);
    const start = WIDTH - (values.length - 1) * step;
    const points = values.map(
      (one, at) => `${(start + at * step).toFixed(1)},${(HEIGHT - 1 - (one / top) * (HEIGHT - 2)).toFixed(1)}`,
    );
    if (points.length < 2) return; // one point is no line
    line.setAttribute("points", points.join(" "));
    area.setAttribute("points", `${start},${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
  }
  return { element, value, draw };
}

function svg(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
