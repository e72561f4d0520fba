// The basket lives in this browser; every page of the shop shows how much is in it.
const KEY = "kettle-and-leaf";

export const basket = () => JSON.parse(localStorage.getItem(KEY) ?? "[]");

export function saveBasket(lines) {
  localStorage.setItem(KEY, JSON.stringify(lines));
  show();
}

export const money = (amount) => amount.toFixed(2);

export async function loadTeas() {
  const response = await fetch("teas.json");
  return response.json();
}

/** A tin with a label in the tea's colour. */
export function tin(colour) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 70 90");
  svg.setAttribute("aria-hidden", "true");
  const part = (tag, attributes) => {
    const element = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    svg.append(element);
  };
  part("ellipse", { cx: 35, cy: 82, rx: 26, ry: 4, fill: "#cfcbb6" });
  part("rect", { x: 12, y: 20, width: 46, height: 62, rx: 4, fill: colour });
  part("rect", { x: 10, y: 8, width: 50, height: 14, rx: 3, fill: colour });
  part("rect", { x: 10, y: 19, width: 50, height: 3, fill: "#00000030" });
  part("rect", { x: 18, y: 36, width: 34, height: 28, rx: 2, fill: "#f5f3ea" });
  part("path", { d: "M35 58c-7-4-8-11-2-16 4 3 8 8 2 16zm0 0v-9", fill: "none", stroke: colour, "stroke-width": 2 });
  return svg;
}

function show() {
  document.getElementById("basket-count").textContent = basket().reduce((sum, line) => sum + line.quantity, 0);
}
show();
