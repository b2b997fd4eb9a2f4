// Runs a bundled page under the real browser SDK in jsdom: what fails in a click handler, plain and minified.
"use strict";

const vm = require("node:vm");
const esbuild = require("esbuild");
const { JSDOM, VirtualConsole } = require("jsdom");
const { expect, record } = require("./recorder");

async function visit(minify, name) {
  const built = await esbuild.build({
    entryPoints: ["shop-page.js"],
    bundle: true,
    format: "iife",
    minify,
    write: false,
  });
  const dom = new JSDOM('<title>Cart</title><button id="pay">Pay now</button>', {
    url: "https://shop.example.com/cart?step=2",
    referrer: "https://shop.example.com/products/1001",
    runScripts: "outside-only",
    pretendToBeVisual: true,
    virtualConsole: new VirtualConsole(),
  });
  dom.window.record = (envelope) => record(envelope, "browser");
  const file = minify ? "app.5f3c2a1b.min.js" : "app.js";
  const script = new vm.Script(built.outputFiles[0].text, { filename: `https://shop.example.com/static/${file}` });
  script.runInContext(dom.getInternalVMContext());

  expect({ errors: name });
  dom.window.document.querySelector("#pay").click();
  await new Promise((resolve) => setTimeout(resolve, 100));
  dom.window.close();
}

async function main() {
  await visit(false, "click-handler");
  await visit(true, "click-handler-minified");
}

main();
