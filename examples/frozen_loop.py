"""One handler calls something synchronous, and every other task stands still with it.

UNSTUCK=1 python examples/frozen_loop.py
"""

import asyncio
import time


def render_invoice(number):
    time.sleep(0.8)  # a library without an async version
    return f"invoice {number}"


async def handle_request(number):
    await asyncio.sleep(0.3)  # load the order
    return render_invoice(number)


async def heartbeat(beats):
    longest = 0.0
    for _ in range(beats):
        before = time.monotonic()
        await asyncio.sleep(0.1)  # tell the load balancer that we are alive
        longest = max(longest, time.monotonic() - before)
    print(f"a heartbeat, due every 100 ms, came after {longest * 1000:.0f} ms")


async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(heartbeat(8), name="heartbeat")
        invoice = group.create_task(handle_request(17), name="request-17")
    print(invoice.result())


if __name__ == "__main__":
    asyncio.run(main())
