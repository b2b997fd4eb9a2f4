import { Cart } from './cart.js';
import { greet } from './banner.js';
import { summary } from './reports.js';

export function checkout(orders) {
  const total = new Cart(orders).total();
  return greet(total);
}

const orders = [{ price: 2, quantity: 1, grams: 5 }, undefined];
for (const route of [checkout, summary]) {
  try {
    route(orders);
  } catch (error) {
    console.log(JSON.stringify({ type: error.name, value: error.message, stack: error.stack }));
  }
}
