import { Cart } from './cart.js';

// Another bug: the same error, from another function.
export function weigh(orders) {
  const weight = (order) => order.price * order.grams;
  return orders.map((order) => weight(order));
}

export function summary(orders) {
  return [new Cart([]).total(), weigh(orders)];
}
