// A chat over WebSockets: `node sockets.js PORT`. It connects to itself, says what it is told to, and ends.
"use strict";

require("./instrument.js");

const Sentry = require("@sentry/node");
const { WebSocket, WebSocketServer } = require("ws");

function handle(session, text) {
  if (text === "boom") throw new EvalError("cannot handle this message");
  return text.toUpperCase();
}

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) });

server.on("connection", (socket, request) => {
  const session = new URL(request.url, "ws://127.0.0.1").searchParams.get("session");
  socket.on("message", (data) => {
    Sentry.withIsolationScope((scope) => {
      const about = { sessionId: session, connectionCount: server.clients.size };
      scope.setTags(about); // of errors
      scope.setAttributes(about); // of spans
      scope.setUser({ id: `user-of-${session}` });
      Sentry.startSpan({ name: "message", op: "websocket.server", forceTransaction: true }, (root) => {
        root.setAttribute("message.bytes", data.length);
        try {
          const answer = Sentry.startSpan({ name: "handle", op: "function" }, () => handle(session, String(data)));
          Sentry.startSpan({ name: "send", op: "websocket.send" }, () => socket.send(answer));
        } catch (error) {
          Sentry.captureException(error);
          socket.send("sorry");
        }
      });
    });
  });
});

function talk(session, texts) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/?session=${session}`);
    const answers = [];
    socket.on("error", reject);
    socket.on("open", () => socket.send(texts[0]));
    socket.on("message", (data) => {
      answers.push(String(data));
      if (answers.length < texts.length) socket.send(texts[answers.length]);
      else resolve({ socket, answers });
    });
  });
}

async function main() {
  const first = await talk("session-1", ["hello", "again"]);
  const second = await talk("session-2", ["boom"]);
  first.socket.close();
  second.socket.close();
  server.close();
  process.stdout.write(JSON.stringify([first.answers, second.answers]));
  await Sentry.close(20000);
}

main();
