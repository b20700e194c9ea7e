"""Hand-made tasks, resources and findings, as short as a test can say them."""

from __future__ import annotations

from typing import Any

from unstuck.agent.findings import PROVEN, SUSPECTED, Event, Finding
from unstuck.agent.snapshot import Edge, Held, Place, ResourceView, TaskView

ID = "8c1f0a2b3d4e"
TIME = 1_700_000_000.25
ASYNCIO = "/usr/lib/python3.13/asyncio"


def place(line: int, code: str = "", file: str = "bank.py", function: str = "transfer") -> Place:
    """A source line; its text is given, not looked up."""
    return Place(file, line, function, code)


def task(name: str, waits_for: str | None, *stack: Place, **more: Any) -> TaskView:
    """A core task whose id is ``t:`` and its name."""
    values: dict[str, Any] = {
        "coro": "transfer",
        "role": "core",
        "waiting_s": 1.2,
        "deadline_s": None,
        "holds": (),
        "created_at": None,
    }
    return TaskView(id=f"t:{name}", name=name, waits_for=waits_for, stack=stack, **(values | more))


BANK_LOCK = place(9, "self.lock = Lock()")


def lock(id: str, name: str, *holders: str, made: Place = BANK_LOCK, **more: Any) -> ResourceView:
    """A lock, where it was made, and the names of its holders."""
    values: dict[str, Any] = {"type": "asyncio.Lock", "created_at": made, "waiters": 1}
    return ResourceView(id=id, name=name, holders=tuple(f"t:{holder}" for holder in holders), **(values | more))


def event(event: str = "opened", **finding: Any) -> Event:
    """An event about a proven deadlock of that shape."""
    values: dict[str, Any] = {"kind": "deadlock", "verdict": PROVEN, "title": "", "id": ID, "age_s": 1.2}
    return Event(event, TIME, Finding(**(values | finding)), pid=4711)


def two_locks(event_name: str = "opened", **more: Any) -> Event:
    """Two transfers that take the locks of two accounts in opposite order."""
    first, second = place(20, "async with accounts[src].lock:"), place(21, "async with accounts[dst].lock:")
    inner = place(112, "await fut", f"{ASYNCIO}/locks.py", "Lock.acquire")
    values: dict[str, Any] = {
        "title": "2 tasks wait for each other",
        "tasks": (
            task("transfer-1", "B", second, inner, holds=(Held("A", first),)),
            task("transfer-2", "A", second, inner, holds=(Held("B", first),)),
        ),
        "resources": (
            lock("A", "accounts['A'].lock", "transfer-1", waiters=15),
            lock("B", "accounts['B'].lock", "transfer-2"),
        ),
        "edges": (
            Edge("t:transfer-1", "B", "waits"),
            Edge("B", "t:transfer-2", "held_by"),
            Edge("t:transfer-2", "A", "waits"),
            Edge("A", "t:transfer-1", "held_by"),
        ),
        "victims": 14,
        "help": "take locks in one global order, e.g. sorted by account id",
    }
    return event(event_name, **(values | more))


def lock_taken_twice(**more: Any) -> Event:
    """A task that waits for the lock it holds."""
    outer = place(30, "async with self.lock:", "audit.py", "Audit.run")
    inner = place(44, "async with self.lock:", "audit.py", "Audit.write")
    values: dict[str, Any] = {
        "title": "a task waits for itself",
        "tasks": (task("nightly", "L", outer, inner, coro="Audit.run", holds=(Held("L", outer),)),),
        "resources": (lock("L", "audit.lock", "nightly", made=place(12, "self.lock = Lock()", "audit.py")),),
        "victims": 1,
        "help": "asyncio.Lock is not re-entrant: take it once at the outermost place",
    }
    return event(**(values | more))


def ring_with_gather(**more: Any) -> Event:
    """A lock's holder gathers two tasks, one of which awaits a task that wants the lock."""
    values: dict[str, Any] = {
        "title": "3 tasks wait for each other",
        "tasks": (
            task(
                "process",
                "t:validate",
                place(51, "await asyncio.gather(enrich(u), validate(u))", "users.py", "process"),
                coro="process",
                holds=(Held("L", place(50, "async with lock_of(user):", "users.py", "process")),),
            ),
            task("validate", "t:audit", place(60, "return await audits[user]", "users.py"), coro="validate"),
            task("audit", "L", place(70, "async with lock_of(user):", "users.py"), coro="audit"),
        ),
        "resources": (lock("L", "locks['ann']", "process", made=place(12, "return Lock()", "users.py")),),
        "edges": (
            Edge("t:process", "t:enrich", "joins"),
            Edge("t:process", "t:validate", "joins"),
            Edge("t:validate", "t:audit", "joins"),
            Edge("t:audit", "L", "waits"),
        ),
        "help": "do not await a task that needs a lock you hold",
    }
    return event(**(values | more))


def long_ring(size: int = 300) -> Event:
    """Philosophers: each holds a fork and waits for the next one's."""
    hold, wait = (
        place(7, "async with left:", "dine.py", "dine"),
        place(8, "async with right:", "dine.py", "dine"),
    )
    return event(
        title=f"{size} tasks wait for each other",
        tasks=tuple(
            task(f"p{n}", f"f{(n + 1) % size}", wait, coro="dine", holds=(Held(f"f{n}", hold),)) for n in range(size)
        ),
        resources=tuple(
            lock(
                f"f{n}",
                f"forks[{n}]",
                f"p{n}",
                made=place(3, "forks = [Lock() for _ in range(n)]", "dine.py"),
            )
            for n in range(size)
        ),
        help="take locks in one global order",
    )


def slow_wait(**more: Any) -> Event:
    """A reader queued behind a refresher that waits for the network."""
    values: dict[str, Any] = {
        "kind": "slow-wait",
        "verdict": SUSPECTED,
        "title": "a task waits long behind a holder who still lives",
        "age_s": 7.25,
        "tasks": (
            task("reader", "L", place(15, "async with cache.lock:", "cache.py"), coro="read", waiting_s=7.25),
            task(
                "refresher",
                None,
                place(31, "await client.get(url)", "cache.py"),
                coro="refresh",
                role="victim",
                waiting_s=200.0,
                deadline_s=12.0,
                holds=(Held("L", place(30, "async with cache.lock:", "cache.py")),),
            ),
        ),
        "resources": (lock("L", "cache.lock", "refresher", made=place(4, "self.lock = Lock()", "cache.py")),),
        "victims": 3,
        "note": "the holder refresher waits in asyncio.StreamReader",
        "help": "hold it for less",
    }
    return event(**(values | more))


def blocked_loop(*stack: Place, **more: Any) -> Event:
    """A handler that reads from a blocking socket on the loop's thread."""
    library = "/srv/venv/lib/python3.13/site-packages/requests/api.py"
    standard = "/usr/lib/python3.13"
    stack = stack or (
        place(90, "asyncio.run(main())", "app.py", "<module>"),
        place(194, "return runner.run(main)", f"{ASYNCIO}/runners.py", "run"),
        place(89, "self._context.run(self._callback, *self._args)", f"{ASYNCIO}/events.py", "Handle._run"),
        place(12, "return await load(user)", "app.py", "handle"),
        place(40, "reply = requests.get(url)", "app.py", "load"),
        place(73, 'return request("get", url)', library, "get"),
        place(1100, "return self._sslobj.read(len)", f"{standard}/ssl.py", "SSLSocket.read"),
    )
    values: dict[str, Any] = {
        "kind": "blocked-loop",
        "title": "the event loop has not turned",
        "age_s": 0.35,
        "tasks": (task("handler-3", None, *stack, coro="handle"),),
        "help": "call it through asyncio.to_thread",
    }
    return event(**(values | more))
