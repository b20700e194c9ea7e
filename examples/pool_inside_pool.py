"""Every worker holds a connection and asks the same pool for a second one.

With two orders at a time all is well. With as many as the pool has connections, each has taken its first
and none will ever get its second; whoever comes later waits behind them.

    UNSTUCK=1 python examples/pool_inside_pool.py
"""

import asyncio
import contextlib


class Pool:
    """A small connection pool, as many programs have one."""

    def __init__(self, size):
        self.idle = [f"connection {number}" for number in range(1, size + 1)]
        self.permits = asyncio.Semaphore(size)

    @contextlib.asynccontextmanager
    async def connection(self):
        async with self.permits:
            connection = self.idle.pop()
            try:
                yield connection
            finally:
                self.idle.append(connection)


async def place_order(pool, order):
    async with pool.connection():
        await asyncio.sleep(0.05)  # insert the order
        await write_audit_log(pool, order)


async def write_audit_log(pool, order):
    async with pool.connection():  # a transaction of its own: the log must survive a rollback
        await asyncio.sleep(0.01)


async def main():
    pool = Pool(3)
    orders = [asyncio.create_task(place_order(pool, number), name=f"order-{number}") for number in range(1, 6)]
    done, stuck = await asyncio.wait(orders, timeout=1.5)
    for each in stuck:
        each.cancel()
    await asyncio.gather(*orders, return_exceptions=True)
    print(f"{len(done)} orders placed, {len(stuck)} given up")


if __name__ == "__main__":
    asyncio.run(main())
