"""One process's picture is what its frames say, one after the other."""

from __future__ import annotations

from typing import Any

from unstuck.agent import wire
from unstuck.tui.picture import MOST_ENDED, Edge, Picture

HEALTH = wire.Health(2, 0, 0, 2, 0.0, 0)
LOOP = wire.Loop("loop-1", "MainThread", True, 2)


def task(key: str, **more: Any) -> wire.Task:
    return wire.Task(
        **({"id": key, "name": key, "coro": "work", "loop": "loop-1"} | {"state": "waiting", "since": 5.0} | more)
    )


def record(event: str, key: str = "f1") -> dict[str, Any]:
    return {"v": 1, "event": event, "id": key, "kind": "deadlock"}


def picture(*updates: wire.Told, findings: tuple[dict[str, Any], ...] = ()) -> Picture:
    made = Picture(wire.Greeting(wire.VERSION, "0", 7, findings=findings))
    for update in updates:
        made.apply(update)
    return made


def update(**more: Any) -> wire.Update:
    return wire.Update(1.0, HEALTH, **more)


def test_tasks_come_move_and_go() -> None:
    """What is gone is gone before what is there."""
    first = update(tasks=(task("task-1"), task("task-2")))
    second = update(gone=("task-1", "task-2"), tasks=(task("task-2", state="ready"),))

    made = picture(first, second)

    assert {"task-2": "ready"} == {key: each.state for key, each in made.tasks.items()}


def test_what_nobody_waits_for_is_no_resource_any_more() -> None:
    """Resources are those that somebody waits for."""
    lock, queue = wire.Resource("lock-1", "asyncio.Lock", "a"), wire.Resource("queue-1", "asyncio.Queue", "q")

    made = picture(update(resources=(lock, queue)), update(over=("lock-1",)))

    assert ["queue-1"] == list(made.resources)


def test_findings_open_and_end() -> None:
    """What was open at the greeting counts too."""
    made = picture(update(events=(record("opened", "f2"), record("closed"))), findings=(record("opened"),))

    assert (["f2"], ["closed"]) == (list(made.findings), [each["event"] for each in made.past])


def test_what_has_ended_is_bounded() -> None:
    """A process that opens and closes findings for ever does not fill our memory."""
    events = tuple(record("closed", str(number)) for number in range(MOST_ENDED + 10))

    made = picture(update(events=events))

    assert (MOST_ENDED, "10") == (len(made.past), made.past[0]["id"])


def test_delays_are_collected_by_loop() -> None:
    """And forgotten with it."""
    later = wire.Loop("loop-1", "MainThread", True, 2, (0.2,))
    other = wire.Loop("loop-2", "worker", True, 0)

    made = picture(update(loops=(wire.Loop("loop-1", "MainThread", True, 2, (0.1,)), other)), update(loops=(later,)))

    assert {"loop-1": [0.1, 0.2]} == {key: list(each) for key, each in made.delays.items()}


def test_the_graph() -> None:
    """Who waits for what, who holds it, who joins whom."""
    lock = wire.Resource("lock-1", "asyncio.Lock", "a", holders=("task-2",))
    made = picture(
        update(
            tasks=(task("task-1", on="lock-1"), task("task-2", on="task-3", joins=("task-3", "task-4"))),
            resources=(lock,),
        )
    )

    expected = {
        Edge("task-1", "lock-1", "waits"),
        Edge("task-2", "task-3", "joins"),
        Edge("task-2", "task-4", "joins"),
        Edge("lock-1", "task-2", "held_by"),
    }
    assert expected == set(made.edges())


def test_details_go_with_their_task() -> None:
    """Whether the detail says so or the update."""
    one, two = wire.Detail("task-1"), wire.Detail("task-2")

    made = picture(one, two, wire.Detail("task-1", gone=True), update(gone=("task-2",)))

    assert {} == made.details


def test_the_oldest_wait() -> None:
    """Of those that wait; who runs does not count."""
    tasks = (task("task-1", since=3.0), task("task-2", since=1.0, state="running"), task("task-3", since=2.0))

    oldest = picture(update(tasks=tasks)).oldest_wait()

    assert oldest is not None and "task-3" == oldest.id
