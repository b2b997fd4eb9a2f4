// A shop under Express: `node express.js PORT`. It also serves the web page that is built in $SHOP_PAGE.
"use strict";

require("./instrument.js");

const Sentry = require("@sentry/node");
const express = require("express");

const app = express();

app.get("/health", (request, response) => response.send("open"));

app.get("/orders/:number", (request, response) => {
  Sentry.setUser({ id: "user-9" });
  Sentry.setTag("region", "eu");
  Sentry.setContext("basket", { items: Number(request.params.number) });
  throw new TypeError("no such order", { cause: new RangeError("out of stock") });
});

if (process.env.SHOP_PAGE) app.use(express.static(process.env.SHOP_PAGE));

Sentry.setupExpressErrorHandler(app);

const server = app.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGINT", async () => {
  await Sentry.close(20000);
  server.close();
  process.exit(0);
});
