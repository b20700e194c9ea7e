"""Load for an HTTP server: ``python -m benchmarks.load PORT CONNECTIONS``.

For each line on standard input, a number of requests, it makes so many over its connections, which it keeps, and
says ``done``. On each connection one request follows the answer to another, so the server has as many to serve at a
time as there are connections. It runs in a process of its own: what it costs is none of the server's time.

Law: every answer is ``200 OK`` with its length, else all ends at once.
"""

from __future__ import annotations

import asyncio
import sys

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
_OK, _LENGTH, _END = b"HTTP/1.1 200 OK\r\n", b"content-length:", b"\r\n\r\n"


class Client(asyncio.Protocol):
    """One connection. ``left`` is shared: the number of requests yet to be made by all of them, in a list."""

    def __init__(self) -> None:
        self.left = [0]
        self.over: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def start(self, left: list[int]) -> asyncio.Future[None]:
        """Take part in making these requests; the future is done when there are none left for this connection."""
        self.left, self.over = left, asyncio.get_running_loop().create_future()
        self._next()
        return self.over

    def _next(self) -> None:
        assert self.over is not None
        if self.left[0] > 0:
            self.left[0] -= 1
            self.transport.write(REQUEST)
        else:
            self.over.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if is_whole(self._got):
            self._got = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.over is not None and not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server hung up"))


def is_whole(got: bytes) -> bool:
    """Whether an answer is there to its end; ValueError when it is not the one that is wanted."""
    head, end, body = got.partition(_END)
    if not end:
        return False
    if not head.startswith(_OK):
        raise ValueError(f"the server answered {head.splitlines()[0]!r}")
    return len(body) >= int(head.lower().partition(_LENGTH)[2].split()[0])


async def main(port: int, connections: int) -> None:
    """Connect, then do as told."""
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(Client, "127.0.0.1", port) for _ in range(connections)]
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        left = [int(line)]
        await asyncio.gather(*[client.start(left) for _, client in pairs])
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
