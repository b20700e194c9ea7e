"""A server at night: connections that nobody uses, a worker on an empty queue, a heartbeat."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from healthy_server import Shop


async def main() -> None:
    shop = Shop()
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, asyncio.TaskGroup() as group:
        group.create_task(shop.print_receipts(), name="receipts")
        group.create_task(shop.heartbeat(), name="heartbeat")
        visitors = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        await asyncio.sleep(3600)
        del visitors


if __name__ == "__main__":
    asyncio.run(main())
