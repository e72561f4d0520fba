import { basket, money, saveBasket } from "./basket.js";

const SENDING_MS = 1500;
const byId = (id) => document.getElementById(id);
const delivery = () => document.querySelector("[name=delivery]:checked");
const total = () => basket().reduce((sum, line) => sum + line.quantity * line.price, Number(delivery().value));

function draw() {
  const lines = basket().map((line) => {
    const item = document.createElement("li");
    const [name, price] = [document.createElement("span"), document.createElement("span")];
    name.textContent = `${line.quantity} × ${line.name}`;
    price.textContent = money(line.quantity * line.price);
    item.append(name, price);
    return item;
  });
  byId("basket-lines").replaceChildren(...lines);
  byId("basket-total").textContent = money(total());
}

byId("checkout-form").addEventListener("change", draw);
byId("checkout-form").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("place-order").disabled = true;
  byId("place-order").textContent = "Sending";
  setTimeout(() => {
    byId("confirmation-name").textContent = byId("full-name").value;
    byId("order-number").textContent = `KL-${String(Date.now()).slice(-6)}`;
    byId("order-total").textContent = money(total());
    byId("order-delivery").textContent = delivery().parentElement.textContent.trim();
    byId("checkout").hidden = byId("checkout-title").hidden = true;
    byId("confirmation").hidden = false;
    saveBasket([]);
  }, SENDING_MS);
});
draw();
