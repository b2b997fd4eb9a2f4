# ruff: noqa
"""Work that is scheduled: event loops, threads and pools."""

import asyncio
import concurrent.futures
import threading


async def fetch(seed):
    await asyncio.sleep(0)
    raise TimeoutError("fetch %d" % seed)


async def store(seed):
    await asyncio.sleep(0)
    raise PermissionError("store %d" % seed)


async def fetch_all(seed):
    return await asyncio.gather(*(fetch(number) for number in range(2 + seed % 3)))


async def fetch_later(seed):
    for _ in range(seed % 5):
        await asyncio.sleep(0)
    task = asyncio.ensure_future(fetch(seed))
    await asyncio.sleep(0)
    return await task


async def grouped(seed):
    async with asyncio.TaskGroup() as group:
        numbers = range(2 + seed % 4)
        for number in numbers if seed % 2 else reversed(numbers):
            group.create_task(fetch(number) if number % 2 else store(number))


async def grouped_alike(seed):
    async with asyncio.TaskGroup() as group:
        for number in range(1 + seed % 5):
            group.create_task(fetch(number))


def gather(seed):
    asyncio.run(fetch_all(seed))


def later(seed):
    asyncio.run(fetch_later(seed))


def task_group(seed):
    asyncio.run(grouped(seed))


def task_group_alike(seed):
    asyncio.run(grouped_alike(seed))


def work(seed):
    raise ArithmeticError("work %d" % seed)


def in_pool(seed):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return pool.submit(work, seed).result()


def in_thread(seed):
    found = []

    def run():
        try:
            work(seed)
        except ArithmeticError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    raise found[0]
