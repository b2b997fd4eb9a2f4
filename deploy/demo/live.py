"""A WebSocket server for live support chats: spans per message, errors with the session and the number of connections.

python -m deploy.demo.live --kafka 127.0.0.1:9092 --port 8081
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from typing import Any

import sentry_sdk
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from deploy.demo.sdk import arguments, report, start_sdk

ROOMS = {"returns": ["ada"], "delivery": ["grace", "joan"]}


class RoomFullError(Exception):
    """More people want to talk than there are to listen."""


def join(message: dict[str, Any]) -> str:
    """Find somebody to talk to; the last room is full, and there are rooms that nobody made."""
    with sentry_sdk.start_span(op="chat.assign", name="find an agent"):
        agents = ROOMS[message["room"]]
        if message.get("waiting", 0) > 20 * len(agents):
            raise RoomFullError(f"{message['waiting']} people wait in {message['room']}")
        return random.choice(agents)


async def say(message: dict[str, Any]) -> str:
    """Pass on what somebody wrote."""
    with sentry_sdk.start_span(op="chat.moderate", name="check the text"):
        words = message["text"].split()
        await asyncio.sleep(random.uniform(0.001, 0.004))
    with sentry_sdk.start_span(op="chat.broadcast", name="pass it on"):
        await asyncio.sleep(random.uniform(0.001, 0.003))
    return f"{len(words)} words"


async def answer(message: dict[str, Any]) -> str:
    """Do what a message asks for."""
    if message["kind"] == "join":
        return join(message)
    return await say(message)


async def handle(text: str | bytes, session: str, connections: int) -> str:
    """Handle one message in a transaction of its own and return the reply."""
    with sentry_sdk.isolation_scope() as scope:
        scope.set_tag("sessionId", session)
        scope.set_tag("connectionCount", connections)
        message = json.loads(text)
        scope.set_user({"id": message["user"], "email": f"{message['user']}@example.com"})
        with sentry_sdk.start_transaction(name=f"message {message['kind']}", op="websocket.server"):
            try:
                return await answer(message)
            except (KeyError, AttributeError, RoomFullError):
                sentry_sdk.capture_exception()
                return "error"


async def run(port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    connections: set[ServerConnection] = set()

    async def chat(connection: ServerConnection) -> None:
        connections.add(connection)
        session = f"ws-{random.getrandbits(32):08x}"
        try:
            async for text in connection:
                await connection.send(await handle(text, session, len(connections)))
        except ConnectionClosed:
            pass
        finally:
            connections.discard(connection)

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serve(chat, "127.0.0.1", port):
        await stopped.wait()


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = arguments("live", "A WebSocket server with bugs, for the demo.")
    parser.add_argument("--port", type=int, default=8081, help="where to listen on the loopback (%(default)s)")
    options = parser.parse_args()
    transport = start_sdk(options, "live", "live@5.0.2")
    try:
        asyncio.run(run(options.port))
    finally:
        report(transport)


if __name__ == "__main__":
    main()
