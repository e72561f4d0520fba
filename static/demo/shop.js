import { loadTeas, money, tin } from "./basket.js";

const teas = await loadTeas();
const list = document.getElementById("teas");
const search = document.getElementById("search");

function card(tea) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `product.html?tea=${tea.id}`;
  link.dataset.tea = tea.id;
  const picture = document.createElement("div");
  picture.className = "tin";
  picture.append(tin(tea.colour));
  const name = document.createElement("h2");
  name.textContent = tea.name;
  const taste = document.createElement("p");
  taste.textContent = `${tea.taste}, ${money(tea.price)}`;
  link.append(picture, name, taste);
  item.append(link);
  return item;
}

function draw() {
  const words = search.value.trim().toLowerCase();
  const found = teas.filter((tea) => `${tea.name} ${tea.taste}`.toLowerCase().includes(words));
  list.replaceChildren(...found.map(card));
  document.getElementById("found").textContent = words ? `Teas found: ${found.length}` : "";
}

search.addEventListener("input", draw);
draw();
