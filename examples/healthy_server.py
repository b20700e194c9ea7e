"""A small server that does everything right: the agent has nothing to say about it.

Connections that wait for a request, a worker on an empty queue, a background task that sleeps, clients in
line for a lock: all of them wait, none of them is stuck.

    UNSTUCK=1 python examples/healthy_server.py
"""

import asyncio
import contextlib
import random


class Shop:
    def __init__(self):
        self.stock = {"apples": 1000, "pears": 1000}
        self.lock = asyncio.Lock()
        self.database = asyncio.Semaphore(4)
        self.receipts = asyncio.Queue(maxsize=100)
        self.printed = 0

    async def sell(self, what):
        async with self.database:
            await asyncio.sleep(random.uniform(0.001, 0.01))  # a query
        async with self.lock:
            self.stock[what] -= 1
            await asyncio.sleep(0.001)
        await self.receipts.put(what)
        return self.stock[what]

    async def print_receipts(self):
        while True:
            await self.receipts.get()
            self.printed += 1
            self.receipts.task_done()

    async def heartbeat(self):
        while True:
            await asyncio.sleep(0.5)

    async def serve(self, reader, writer):
        while line := await reader.readline():
            left = await self.sell(line.decode().strip())
            writer.write(f"{left} left\n".encode())
            await writer.drain()
        writer.close()


async def client(port, requests):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(requests):
        writer.write(random.choice([b"apples\n", b"pears\n"]))
        async with asyncio.timeout(5):
            await reader.readline()
        await asyncio.sleep(random.uniform(0.0, 0.15))  # think
    writer.close()
    await writer.wait_closed()


async def main():
    shop = Shop()
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    background = [asyncio.create_task(shop.print_receipts()), asyncio.create_task(shop.heartbeat())]
    async with server:
        await asyncio.gather(*(client(port, 20) for _ in range(8)))
        await shop.receipts.join()
    for each in background:
        each.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await each
    print(f"{shop.printed} sold, {sum(shop.stock.values())} left")


if __name__ == "__main__":
    asyncio.run(main())
