"use strict";

// node browsers.js MODULES: read the stack traces below with the browser SDK's own parser, print one JSON line each.
//
// Each failure is written the way the four engines write it: names of functions, anonymous ones, native frames, the
// outermost calls and the messages differ; files differ by host, content hash and query.
const { createRequire } = require("node:module");
const { join } = require("node:path");
const modules = process.argv[2];
const sentry = createRequire(join(modules, "node_modules", "x.js"))("@sentry/browser");

const A = "https://shop.example/static/js/main.3f2a9c1b.js";
const B = "https://cdn2.example.net/static/js/main.77d0e4aa.js?v=12";

function v8(host, type, message, lines) {
  return { type, message, stack: `${type}: ${message}\n` + lines.map((l) => `    at ${l.replaceAll("$F", host)}`).join("\n") };
}

function gecko(host, type, message, lines) {
  return { type, message, stack: lines.map((l) => l.replaceAll("$F", host)).join("\n") + "\n" };
}

const webkit = gecko;

const FAILURES = {
  readsProperty: [
    v8(A, "TypeError", "Cannot read properties of undefined (reading 'price')", ["priceOf ($F:10:21)", "Cart.total ($F:44:9)", "HTMLButtonElement.<anonymous> ($F:80:12)"]),
    v8(B, "TypeError", "Cannot read property 'price' of undefined", ["priceOf ($F:12:5)", "Cart.total ($F:51:3)", "HTMLButtonElement.<anonymous> ($F:90:1)"]),
    gecko(A, "TypeError", "can't access property \"price\", order is undefined", ["priceOf@$F:10:15", "total@$F:44:4", "setup/<@$F:80:8"]),
    gecko(B, "TypeError", "order is undefined", ["priceOf@$F:11:15", "Cart.prototype.total@$F:45:4", "setup/<@$F:81:8", "EventListener.handleEvent*setup@$F:79:3", "@$F:100:1"]),
    webkit(A, "TypeError", "undefined is not an object (evaluating 'order.price')", ["priceOf@$F:10:26", "total@$F:44:17", "@$F:80:20"]),
  ],
  readsPropertyInList: [
    v8(A, "TypeError", "Cannot read properties of undefined (reading 'price')", ["priceOf ($F:10:21)", "$F:61:30", "Array.map (<anonymous>)", "renderList ($F:60:9)", "HTMLDocument.<anonymous> ($F:99:1)"]),
    gecko(B, "TypeError", "can't access property \"price\", order is undefined", ["priceOf@$F:10:15", "renderList/<@$F:61:22", "renderList@$F:60:4", "@$F:99:8"]),
    webkit(A, "TypeError", "undefined is not an object (evaluating 'order.price')", ["priceOf@$F:10:26", "@$F:61:38", "map@[native code]", "renderList@$F:60:12", "@$F:99:20"]),
  ],
  notAFunction: [
    v8(A, "TypeError", "order.ship is not a function", ["shipAll ($F:20:9)", "new Dispatcher ($F:30:5)", "Object.start ($F:31:2)", "$F:200:1"]),
    v8(B, "TypeError", "order.ship is not a function", ["shipAll ($F:22:9)", "new Dispatcher ($F:33:5)", "start ($F:35:2)", "$F:210:1"]),
    gecko(A, "TypeError", "order.ship is not a function", ["shipAll@$F:20:14", "Dispatcher@$F:30:8", "start@$F:31:7", "@$F:200:6"]),
    webkit(B, "TypeError", "order.ship is not a function. (In 'order.ship()', 'order.ship' is undefined)", ["shipAll@$F:20:14", "Dispatcher@$F:30:8", "start@$F:31:7", "global code@$F:200:6"]),
  ],
  notDefined: [
    v8(A, "ReferenceError", "trackEvent is not defined", ["report ($F:5:3)", "onLoad ($F:6:2)"]),
    gecko(B, "ReferenceError", "trackEvent is not defined", ["report@$F:5:3", "onLoad@$F:6:2"]),
    webkit(A, "ReferenceError", "Can't find variable: trackEvent", ["report@$F:5:13", "onLoad@$F:6:12"]),
  ],
  asyncCalls: [
    v8(A, "Error", "Order 4711 is gone", ["loadOrder ($F:70:11)", "async showOrder ($F:75:15)", "async HTMLElement.onOpen ($F:77:3)"]),
    gecko(B, "Error", "Order 12 is gone", ["loadOrder@$F:70:11", "async*showOrder@$F:75:21", "onOpen@$F:77:9", "EventListener.handleEvent*bind@$F:79:2"]),
    webkit(A, "Error", "Order 9 is gone", ["loadOrder@$F:70:20"]),
    webkit(B, "Error", "Order 10 is gone", ["@$F:70:20", "loadOrder@$F:70:20", "asyncFunctionResume@[native code]", "@[native code]", "promiseReactionJobWithoutPromise@[native code]"].slice(1)),
  ],
  overflow: [
    v8(A, "RangeError", "Maximum call stack size exceeded", ["measure ($F:33:1)", "layout ($F:34:1)", "measure ($F:33:8)", "layout ($F:34:1)", "measure ($F:33:8)", "layout ($F:34:1)"]),
    gecko(B, "InternalError", "too much recursion", ["layout@$F:34:1", "measure@$F:33:8", "layout@$F:34:1", "measure@$F:33:8", "layout@$F:34:1", "measure@$F:33:8"]),
    webkit(A, "RangeError", "Maximum call stack size exceeded.", ["round@[native code]", "measure@$F:33:1", "layout@$F:34:1", "measure@$F:33:8", "layout@$F:34:1", "measure@$F:33:8"]),
  ],
  overflowElsewhere: [
    v8(A, "RangeError", "Maximum call stack size exceeded", ["flatten ($F:43:1)", "flatten ($F:43:1)", "flatten ($F:43:1)", "flatten ($F:43:1)"]),
    gecko(B, "InternalError", "too much recursion", ["flatten@$F:43:1", "flatten@$F:43:1", "flatten@$F:43:1"]),
  ],
  asMethod: [
    v8(A, "TypeError", "Cannot read properties of null (reading 'focus')", ["Form.validate [as onSubmit] ($F:12:2)", "Form.submit ($F:13:2)"]),
    gecko(A, "TypeError", "can't access property \"focus\", this.input is null", ["validate@$F:12:20", "submit@$F:13:21"]),
    webkit(B, "TypeError", "null is not an object (evaluating 'this.input.focus')", ["validate@$F:12:20", "submit@$F:13:21"]),
  ],
  staticAndGetter: [
    v8(A, "TypeError", "Cannot read properties of undefined (reading 'length')", ["get size [as size] ($F:15:2)", "Function.describe ($F:16:2)", "Basket.<anonymous> ($F:17:2)"]),
    v8(B, "TypeError", "Cannot read properties of undefined (reading 'length')", ["get size [as size] ($F:15:2)", "Basket.describe ($F:16:2)", "HTMLElement.<anonymous> ($F:17:2)"]),
    gecko(A, "TypeError", "can't access property \"length\", this.items is undefined", ["get size@$F:15:9", "describe@$F:16:9", "bind/<@$F:17:9"]),
    webkit(B, "TypeError", "undefined is not an object (evaluating 'this.items.length')", ["size@$F:15:12", "describe@$F:16:12", "@$F:17:9"]),
  ],
  handler: [
    v8(A, "TypeError", "Cannot set properties of null (setting 'value')", ["HTMLButtonElement.<anonymous> ($F:5:2)", "HTMLButtonElement.sentryWrapped (https://browser.sentry-cdn.com/8/bundle.min.js:1:2)"]),
    gecko(B, "TypeError", "can't access property \"value\", field is null", ["bindAll/<@$F:5:2", "sentryWrapped@https://browser.sentry-cdn.com/8/bundle.min.js:1:2"]),
    webkit(A, "TypeError", "null is not an object (evaluating 'field.value = \"\"')", ["@$F:5:9", "sentryWrapped@https://browser.sentry-cdn.com/8/bundle.min.js:1:2"]),
  ],
  privateMethod: [
    v8(A, "Error", "Session 99a1 has ended", ["Session.#check ($F:8:1)", "Session.ping ($F:9:1)", "$F:10:1"]),
    gecko(A, "Error", "Session 88b2 has ended", ["#check@$F:8:7", "ping@$F:9:7", "@$F:10:1"]),
    webkit(B, "Error", "Session 12 has ended", ["#check@$F:8:7", "ping@$F:9:7", "global code@$F:10:1"]),
  ],
  inlineHandler: [
    v8("https://shop.example/orders/17", "ReferenceError", "openMenu is not defined", ["HTMLAnchorElement.onclick ($F:31:9)"]),
    gecko("https://shop.example/orders/18", "ReferenceError", "openMenu is not defined", ["onclick@$F:1:1"]),
    webkit("https://shop.example/orders/99", "ReferenceError", "Can't find variable: openMenu", ["onclick@$F:31:18"]),
  ],
  fetchFails: [
    v8(A, "TypeError", "Failed to fetch", ["window.fetch ($F:3:2)", "loadPrices ($F:50:9)", "refresh ($F:55:9)"].slice(1)),
    gecko(B, "TypeError", "NetworkError when attempting to fetch resource.", ["loadPrices@$F:50:9", "refresh@$F:55:9"]),
    webkit(A, "TypeError", "Load failed", ["loadPrices@$F:50:9", "refresh@$F:55:9"]),
  ],
  extension: [
    v8("chrome-extension://abcdefghijklmnopabcdefghijklmnop/content.js", "TypeError", "Cannot read properties of undefined (reading 'id')", ["inject ($F:1:2)"]),
    v8("chrome-extension://ppppefghijklmnopabcdefghijklmnop/content.js", "TypeError", "Cannot read properties of undefined (reading 'id')", ["inject ($F:1:9)"]),
  ],
};

for (const [bug, failures] of Object.entries(FAILURES)) {
  for (const { type, message, stack } of failures) {
    const frames = sentry.defaultStackParser(stack);
    const values = [{ type, value: message, stacktrace: { frames }, mechanism: { type: "onerror", handled: false } }];
    console.log(JSON.stringify({ bug, event: { platform: "javascript", exception: { values } } }));
  }
}
