"""Hand-made processes for the dashboard's tests: what they send, as wire frames, and the pictures of that."""

from __future__ import annotations

from typing import Any

from unstuck.agent import wire
from unstuck.tui.picture import Picture
from unstuck.tui.scene import Scene, Shot, Vitals

from . import builders

NOW = builders.TIME + 4.0
"""The time of every picture."""
LOOP = "loop-1"
VITALS = Vitals(0.12, 54_525_952, 0.003, tuple(0.01 * (n % 13) for n in range(60)))


def spot(line: int, file: str = "/srv/bank/bank.py", function: str = "transfer") -> wire.Spot:
    """A source line."""
    return wire.Spot(file, line, function)


def task(id: str, name: str, state: str = "waiting", ago: float = 1.0, **more: Any) -> wire.Task:
    """A task that has been in its state for ``ago`` seconds."""
    values: dict[str, Any] = {"coro": name, "loop": LOOP, "since": NOW - ago, "born": NOW - ago - 1}
    return wire.Task(id=id, name=name, state=state, **(values | more))


def greeting(pid: int = 4711, **more: Any) -> wire.Greeting:
    """A process says who it is."""
    values: dict[str, Any] = {
        "command": ("/usr/bin/python3", "bank.py"),
        "python": "3.13.0",
        "started": NOW - 7980,
        "interval": 1.0,
    }
    return wire.Greeting(wire.VERSION, "0.1.0", pid, **(values | more))


def update(tasks: tuple[wire.Task, ...], **more: Any) -> wire.Update:
    """The first update, with all that there is."""
    states = [each.state for each in tasks]
    counts = [states.count(state) for state in ("running", "ready", "waiting")]
    values: dict[str, Any] = {
        "health": wire.Health(len(tasks), *counts, 0.5, 0),
        "complete": True,
        "tasks": tasks,
        "loops": (
            wire.Loop(LOOP, "MainThread", True, len(tasks), tuple(0.0003 + 0.0004 * (n % 7) for n in range(90))),
        ),
    }
    return wire.Update(NOW, **(values | more))


def picture(hello: wire.Greeting, *frames: wire.Told) -> Picture:
    """The picture of these frames."""
    made = Picture(hello)
    for frame in frames:
        made.apply(frame)
    return made


def shot(made: Picture, vitals: Vitals = VITALS, **more: Any) -> Shot:
    """The picture, frozen."""
    return Shot.of(made, vitals, **more)


def scene(*pictures: Picture) -> Scene:
    """What the dashboard shows of these."""
    return Scene(tuple(shot(each) for each in pictures))


def detail() -> wire.Detail:
    """The first transfer in full."""
    place = builders.place(20, "async with accounts[source].lock:", "/srv/bank/bank.py")
    stack = (
        wire.Place(place.file, 21, "transfer", "async with accounts[target].lock:"),
        wire.Place(f"{builders.ASYNCIO}/locks.py", 112, "Lock.acquire", "await fut"),
    )
    maker = wire.Maker("t:main", "Task-1", wire.Place(place.file, 40, "main", "asyncio.create_task(transfer(a, b))"))
    past = (
        wire.Past("asyncio.sleep", None, spot(20), NOW - 5.25, NOW - 5.2),
        wire.Past("asyncio.Lock", "B", spot(21), NOW - 5.2, None),
    )
    return wire.Detail(
        "t:transfer-1", False, stack, (maker,), past, ("A",), "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    )


def bank(pid: int = 4711, victims: int = 3, told: bool = False, **more: Any) -> Picture:
    """Two transfers in a deadlock, some behind them, and the main task that waits for both."""
    made = spot(9, function="Account.__init__")
    transfers = {"coro": "transfer", "parent": "t:main", "made": spot(40, function="main")}
    tasks = [
        task("t:main", "Task-1", ago=1.2, coro="main", wait="asyncio.wait", joins=("t:transfer-1", "t:transfer-2"),
             due=NOW + 8.8, at=spot(44, function="main")),
        task("t:transfer-1", "transfer-1", ago=5.2, wait="asyncio.Lock", on="B", at=spot(21), **transfers),
        task("t:transfer-2", "transfer-2", ago=5.1, wait="asyncio.Lock", on="A", at=spot(21), **transfers),
        *(task(f"t:audit-{n}", f"audit-{n}", ago=4.0 - n / 10, coro="audit", wait="asyncio.Lock", on="A",
               at=spot(33, function="audit"), made=spot(41, function="main"), parent="t:main") for n in range(victims)),
        task("t:heartbeat", "heartbeat", ago=0.4, wait="asyncio.sleep", due=NOW + 0.6,
             at=spot(50, function="heartbeat")),
    ]  # fmt: skip
    locks = (
        wire.Resource("A", "asyncio.Lock", "accounts['A'].lock", made, ("t:transfer-1",), 1 + victims, NOW - 5.1, 1, 1),
        wire.Resource("B", "asyncio.Lock", "accounts['B'].lock", made, ("t:transfer-2",), 1, NOW - 5.2, 1, 1),
    )
    record = builders.two_locks(victims=victims).as_record() | {"pid": pid}
    hello = greeting(pid, actions=True, **more)
    details = (detail(),) if told else ()
    return picture(hello, update(tuple(tasks), resources=locks, events=(record,)), *details)


def idle(pid: int = 4712, **more: Any) -> Picture:
    """A server at night: connections that wait for a request, a worker on an empty queue, a heartbeat."""
    where = "/srv/shop/shop.py"
    tasks = (
        task("s:main", "Task-1", ago=7978.0, coro="main", wait="asyncio.Future", at=spot(70, where, "main")),
        *(task(f"s:{n}", f"Task-{n + 5}", ago=61.0 * n + 3, coro="Shop.serve", wait="asyncio.StreamReader.readline",
               at=spot(38, where, "Shop.serve")) for n in range(4)),
        task("s:worker", "printer", ago=340.0, coro="Shop.print_receipts", wait="asyncio.Queue.get", on="q",
             at=spot(27, where, "Shop.print_receipts"), parent="s:main", made=spot(66, where, "main")),
        task("s:heart", "heartbeat", ago=0.2, coro="Shop.heartbeat", wait="asyncio.sleep", due=NOW + 0.3,
             at=spot(33, where, "Shop.heartbeat"), parent="s:main", made=spot(67, where, "main")),
    )  # fmt: skip
    queue = wire.Resource(
        "q", "asyncio.Queue", "shop.receipts", spot(17, where, "Shop.__init__"), (), 1, NOW - 340, 0, 100
    )
    hello = greeting(pid, command=("/usr/bin/python3", "-m", "shop"), **more)
    return picture(hello, update(tasks, resources=(queue,)))


def crowd(size: int = 10_000, pid: int = 4713) -> Picture:
    """Many requests: most in line for a pool of ten, some of them running."""
    where = "/srv/api/app.py"
    states = ("running", *("ready",) * 19)
    tasks = tuple(
        task(f"c:{n}", f"request-{n}", state=states[n], ago=0.01, coro="handle", at=spot(90, where, "handle"))
        if n < len(states)
        else task(f"c:{n}", f"request-{n}", ago=(n * 7919 % size) / size * 60, coro="handle", wait="asyncio.Semaphore",
                  on="pool", at=spot(95, where, "handle"))
        for n in range(size)
    )  # fmt: skip
    holders = tuple(f"c:{n}" for n in range(10))
    pool = wire.Resource(
        "pool", "asyncio.Semaphore", "db.permits", spot(12, where), holders, size - 20, NOW - 60, 10, 10
    )
    return picture(greeting(pid, command=("/usr/bin/uvicorn", "api.app:app")), update(tasks, resources=(pool,)))
