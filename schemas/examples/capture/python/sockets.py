"""A WebSocket server whose errors carry the session and the number of open connections as tags."""

from __future__ import annotations

import asyncio
import json

import sentry_sdk
from recorder import Recorder, start
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

connections: set[ServerConnection] = set()


def move(board: dict[str, str], message: dict[str, str]) -> None:
    with sentry_sdk.start_span(op="game.validate", name="validate move"):
        piece = board[message["from"]]
    with sentry_sdk.start_span(op="game.apply", name="apply move"):
        board[message["to"]] = piece


async def play(connection: ServerConnection) -> None:
    connections.add(connection)
    board = {"e2": "pawn", "g1": "knight"}
    try:
        async for text in connection:
            with sentry_sdk.isolation_scope() as scope:
                scope.set_tag("sessionId", "ws-7f3a2c")
                scope.set_tag("connectionCount", len(connections))
                with sentry_sdk.start_transaction(name="message move", op="websocket.server"):
                    try:
                        move(board, json.loads(text))
                        await connection.send("ok")
                    except (KeyError, ValueError):
                        sentry_sdk.capture_exception()
                        await connection.send("error")
    finally:
        connections.discard(connection)


async def drive(recorder: Recorder) -> None:
    async with serve(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}/game"), connect(f"ws://127.0.0.1:{port}/game") as player:
            recorder.expect(spans="websocket-transaction")
            await player.send(json.dumps({"from": "e2", "to": "e4"}))
            await player.recv()
            recorder.expect(errors="websocket")
            await player.send(json.dumps({"from": "h9", "to": "e4"}))
            await player.recv()


if __name__ == "__main__":
    asyncio.run(drive(start(release="game@5.0.2", server_name="ws-1")))
