"""The people who use the demo's programs: about sixty of them, for some seconds, with one incident in between."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import aiohttp
from msgspec import Struct
from websockets.asyncio.client import connect

from deploy.demo.shop import DECLINED

PEOPLE = 60
WORKERS = 6
PAUSE_SECONDS = 0.1
CHATS = 12
INCIDENT = (0.55, 0.75)
"""When the payment provider is down, as shares of the whole time."""

ROLLOUT = 0.4
"""When half of the people get the new release, as a share of the whole time."""

CARDS = ("4111 1111 1111 1111", "5555 5555 5555 4444", DECLINED)

Request = tuple[str, str, dict[str, Any]]
"""Method, path and further arguments of a request."""


class Load(Struct):
    """What was done: requests by the status of their answers, and messages to the WebSocket server."""

    requests: int = 0
    failed: int = 0
    messages: int = 0


class Shops(Struct, frozen=True):
    """Addresses of the shop: the release of yesterday, the one rolled out meanwhile, and staging."""

    old: str
    new: str
    staging: str


def person(number: int) -> dict[str, str]:
    """Return the headers of one of the people; one in six is a guest."""
    headers = {"X-Forwarded-For": f"203.0.113.{number + 1}", "X-Store": ("eu", "us", "uk")[number % 3]}
    if number % 6:
        headers |= {"X-User-Id": f"u-{number}", "X-User-Email": f"person{number}@example.com"}
    return headers


def browse() -> Request:
    """Look at products; one is without a price."""
    return "GET", f"/products/{random.choice((1001, 1001, 1002, 1003, 1004, 1099))}", {}


def search() -> Request:
    """Search; one in eight follows a broken link."""
    return "GET", f"/search?q=lamp&page={random.choice(('1', '1', '1', '2', '2', '3', '4', 'two'))}", {}


def account() -> Request:
    """Open the account page; it fails for guests."""
    return "GET", "/account", {}


def stock() -> Request:
    """Ask for the stock of one of forty articles; some time out."""
    return "GET", f"/stock/SKU-{random.randint(2000, 2039)}", {}


def newsletter() -> Request:
    """Subscribe to the newsletter; one mail provider refuses."""
    name = f"reader{random.randint(1, 500)}"
    return "POST", "/newsletter", {"data": {"email": f"{name}@example.{random.choice(('com', 'com', 'org'))}"}}


def coupon() -> Request:
    """Try a coupon; it fails in the new release."""
    return "POST", "/coupon", {"json": {"coupon": random.choice(("WELCOME", "SPRING", "SPRING"))}}


def checkout(provider_up: bool = True) -> Request:
    """Buy something; one card in three is declined."""
    order = {
        "name": f"Ada Example {random.randint(1, 60)}",
        "phone": f"+49 30 5550 {random.randint(1000, 9999)}",
        "card": random.choice(CARDS),
        "products": random.sample((1001, 1002, 1003, 1004), 2),
        "provider_up": provider_up,
    }
    return "POST", "/checkout", {"json": order}


VISITS: dict[Callable[[], Request], int] = {
    lambda: ("GET", "/", {}): 6,
    browse: 8,
    search: 5,
    account: 3,
    stock: 4,
    newsletter: 2,
    coupon: 3,
    checkout: 3,
}
"""What people do, and how often."""


async def shop(session: aiohttp.ClientSession, shops: Shops, seconds: float, load: Load) -> None:
    """Visit the shop over and over, until the time is up."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while (share := (loop.time() - started) / seconds) < 1:
        headers = person(random.randrange(PEOPLE))
        address = shops.old if share < ROLLOUT else random.choice((shops.old, shops.new))
        if random.random() < 0.1:
            address = shops.staging
        incident = INCIDENT[0] <= share < INCIDENT[1]
        if incident and random.random() < 0.7:
            method, path, further = checkout(provider_up=False)
        else:
            method, path, further = random.choices(list(VISITS), list(VISITS.values()))[0]()
        async with session.request(method, address + path, headers=headers, **further) as response:
            await response.read()
        load.requests += 1
        load.failed += response.status >= 500
        await asyncio.sleep(random.uniform(0.3, 1.7) * PAUSE_SECONDS * (0.4 if incident else 1.0))


def chat_message(user: str) -> dict[str, Any]:
    """Return a message to the WebSocket server; some ask for a room that is not there or is full, some have no text."""
    if random.random() < 0.3:
        room = random.choice(("returns", "delivery", "delivery", "garden"))
        return {"kind": "join", "user": user, "room": room, "waiting": random.randint(0, 30)}
    text = random.choice(("where is my parcel", "call me on +49 30 5550 4711 please", "thank you", None))
    return {"kind": "say", "user": user, "text": text}


async def chat(number: int, address: str, seconds: float, load: Load) -> None:
    """Talk to the WebSocket server until the time is up, coming one after the other."""
    await asyncio.sleep(number * 0.02 * seconds)
    deadline = asyncio.get_running_loop().time() + seconds * (0.98 - number * 0.02)
    async with connect(address) as connection:
        while asyncio.get_running_loop().time() < deadline:
            await connection.send(json.dumps(chat_message(f"u-{number}")))
            await connection.recv()
            load.messages += 1
            await asyncio.sleep(random.uniform(0.5, 1.5))


async def make_load(shops: Shops, live: str, seconds: float) -> Load:
    """Use the programs at the given addresses for ``seconds`` and return what was done.

    Raises ``OSError`` or ``aiohttp.ClientError`` when a program does not answer.
    """
    load = Load()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session, asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(shop(session, shops, seconds, load))
        for number in range(CHATS):
            group.create_task(chat(number, live, seconds, load))
    return load
