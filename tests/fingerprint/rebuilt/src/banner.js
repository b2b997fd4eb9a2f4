export const greet = (total) => `total ${total}`;
