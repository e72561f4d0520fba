import { loadTeas, money } from "./basket.js";

const COUNTING_MS = 1200;
const teas = await loadTeas();

setTimeout(() => {
  const rows = teas.map((tea) => {
    const row = document.createElement("tr");
    row.dataset.tea = tea.id;
    for (const text of [tea.name, String(tea.tins), money(tea.price), tea.tins ? "in stock" : "sold out"]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    if (!tea.tins) row.lastChild.className = "out";
    return row;
  });
  document.querySelector("#stock tbody").replaceChildren(...rows);
  document.getElementById("stock").hidden = false;
  document.getElementById("loading").hidden = true;
}, COUNTING_MS);
