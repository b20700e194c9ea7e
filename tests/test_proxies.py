"""The program's lazy proxies are left alone: whoever asks one for its class or an attribute runs its code."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from unstuck.agent.waits import wait_of
from unstuck.agent.waits.joiners import cancellers, joiners


class Proxy:
    """Out of its context whatever is asked of it fails, as with the proxies of web frameworks."""

    __slots__ = ()

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError(f"touched by {sys._getframe(1).f_code.co_qualname}")

    __class__ = property(_refuse)  # type: ignore[assignment]
    __getattr__ = __eq__ = __hash__ = __bool__ = __repr__ = _refuse  # type: ignore[assignment]

    def __call__(self, *_: object) -> None:
        pass


def standing(program: Any, then: Any) -> None:
    """Run the program until it waits, look at its task, and cancel it."""

    async def main() -> None:
        task = asyncio.create_task(program())
        await asyncio.sleep(0.01)
        then(task)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())


def test_when_a_proxy_is_a_local_variable_beside_as_completed() -> None:
    async def program() -> None:
        proxy = Proxy()
        for first in asyncio.as_completed([asyncio.Event().wait()]):
            kept = (proxy, first)
            await first
            del kept

    standing(program, lambda task: wait_of(task).needs)


def test_when_a_proxy_is_to_be_called_back() -> None:
    waits: list[Any] = []

    async def program() -> None:
        inner = asyncio.get_running_loop().create_future()
        waits.append(inner)
        await asyncio.gather(inner)

    def look(task: Any) -> None:
        waits[0].add_done_callback(Proxy())
        assert ([task], [task]) == (list(joiners(waits[0])), list(cancellers(waits[0])))
        assert "asyncio.gather" == wait_of(task).kind

    standing(program, look)
