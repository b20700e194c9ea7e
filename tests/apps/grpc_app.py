"""grpc.aio: unary calls, a stream that idles, calls with deadlines and calls that are given up, over one channel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc

from .common import cancelled, load, run, signalled

NEWS = asyncio.Condition()


async def greet(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    await asyncio.sleep(0.001)
    return b"hello " + request


async def count(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"%d" % number
        await asyncio.sleep(0)


async def watch(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
    while True:
        async with NEWS:
            await NEWS.wait()
        yield b"news"


async def publish() -> None:
    async with NEWS:
        NEWS.notify_all()


async def main() -> None:
    server = grpc.aio.server(maximum_concurrent_rpcs=100)
    methods = {
        "Greet": grpc.unary_unary_rpc_method_handler(greet),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Watch": grpc.unary_stream_rpc_method_handler(watch),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("app", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        hello, numbers = channel.unary_unary("/app/Greet"), channel.unary_stream("/app/Count")

        async def greets() -> None:
            assert await hello(b"you", timeout=30) == b"hello you"

        async def counts() -> None:
            assert 5 == len([number async for number in numbers(b"")])

        async def gives_up() -> None:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await hello(b"you", timeout=0.0005)
            call: Any = hello(b"me")
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call

        async def listens() -> None:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for _ in channel.unary_stream("/app/Watch")(b""):
                    pass

        listening = [asyncio.create_task(listens()) for _ in range(5)]
        await load(*[greets] * 10, *[counts] * 4, gives_up, publish)
        await signalled()
        await cancelled(*listening)
    await server.stop(1)


if __name__ == "__main__":
    run(main)
