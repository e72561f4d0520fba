import { basket, loadTeas, money, saveBasket, tin } from "./basket.js";

const PACKING_MS = 600;
const teas = await loadTeas();
const tea = teas.find((one) => one.id === new URLSearchParams(location.search).get("tea")) ?? teas[0];
const byId = (id) => document.getElementById(id);

document.title = `${tea.name} – Kettle & Leaf`;
byId("tea-name").textContent = tea.name;
byId("tea-story").textContent = tea.story;
byId("tea-price").textContent = money(tea.price);
byId("picture").append(tin(tea.colour));

byId("order-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const button = byId("add-to-basket");
  button.disabled = true;
  button.textContent = "Weighing";
  setTimeout(() => {
    const weight = byId("weight");
    const quantity = Number(byId("quantity").value);
    const line = {
      name: `${tea.name}, ${weight.selectedOptions[0].textContent}`,
      quantity,
      price: tea.price * Number(weight.value),
    };
    saveBasket([...basket(), line]);
    button.disabled = false;
    button.textContent = "Add to basket";
    byId("added").hidden = false;
  }, PACKING_MS);
});
