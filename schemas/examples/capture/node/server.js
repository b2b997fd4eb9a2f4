// An Express server and a WebSocket server under the SDK: a failing route, a transaction, an error with session tags.
"use strict";

const { expect, start } = require("./recorder");

// SDKs since version 11 stream single spans; told to be "static", they send transactions, as all did before.
const lifecycle = process.argv[2] || "stream";
const suffix = lifecycle === "static" ? "transaction" : "span";
const Sentry = start({ traceLifecycle: lifecycle });
const http = require("node:http");
const express = require("express");
const WebSocket = require("ws");

const app = express();
app.use(express.json());
app.get("/orders/:id", async (request, response) => {
  await Sentry.startSpan({ op: "db.query", name: "SELECT * FROM orders WHERE id = $1" }, async () => {});
  response.json({ id: request.params.id });
});
app.post("/pay", (request) => {
  const provider = { eu: "pay.example.com" }[request.body.store];
  throw new Error(`no provider for ${request.body.email} in ${provider.length} stores`);
});
Sentry.setupExpressErrorHandler(app);
app.use((error, request, response, next) => response.status(500).end());

const server = http.createServer(app);
const sockets = new WebSocket.Server({ server, path: "/live" });
sockets.on("connection", (socket) => {
  socket.on("message", (data) =>
    Sentry.withIsolationScope((scope) => {
      scope.setTag("sessionId", "ws-7f3a2c");
      scope.setTag("connectionCount", sockets.clients.size);
      return Sentry.startSpan({ op: "websocket.server", name: "message move", forceTransaction: true }, () => {
        try {
          const board = { e2: "pawn" };
          const { from } = Sentry.startSpan({ op: "game.parse", name: "parse move" }, () => JSON.parse(data));
          socket.send(board[from].toUpperCase());
        } catch (error) {
          Sentry.captureException(error);
          socket.send("error");
        }
      });
    }),
  );
});

const answer = (socket) => new Promise((resolve) => socket.once("message", resolve));

server.listen(0, "127.0.0.1", async () => {
  const address = `127.0.0.1:${server.address().port}`;
  expect({ spans: `express-${suffix}` });
  await fetch(`http://${address}/orders/4711?page=2`);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await Sentry.flush(2000);

  expect({ errors: "express" });
  await fetch(`http://${address}/pay?coupon=SPRING`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer example", cookie: "session=example-4f2a9c" },
    body: JSON.stringify({ store: "us", email: "ada@example.com", card: "4111111111111111" }),
  });
  await Sentry.flush(2000);

  const socket = new WebSocket(`ws://${address}/live`);
  await new Promise((resolve) => socket.once("open", resolve));
  expect({ spans: `websocket-${suffix}` });
  socket.send(JSON.stringify({ from: "e2", to: "e4" }));
  await answer(socket);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await Sentry.flush(2000);
  expect({ errors: "websocket" });
  socket.send(JSON.stringify({ from: "h9", to: "e4" }));
  await answer(socket);
  await Sentry.flush(2000);
  process.exit(0);
});
