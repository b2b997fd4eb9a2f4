export class Cart {
  constructor(orders) {
    this.orders = orders;
  }

  total() {
    return this.orders.map((order) => priceOf(order)).reduce((sum, price) => sum + price, 0);
  }
}

function priceOf(order) {
  return order.price * order.quantity;
}
