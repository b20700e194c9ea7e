"""Following one task, and the two things that a client may do where that is allowed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import unstuck
from unstuck.agent import wire
from unstuck.tui.connection import Left

from .programs.stuck import event_forgotten
from .test_socket import park, workshop
from .watching import PATIENCE, Viewer, eventually, watched


def detail(viewer: Viewer, until: object = None) -> wire.Detail:
    """The next detail that comes, or the first of which ``until`` holds."""
    while True:
        found: wire.Detail = viewer.heard(wire.Detail)
        if not callable(until) or until(found):
            return found


class TestFollowing:
    def test_its_stack_its_makers_what_it_holds(self, tmp_path: Path) -> None:
        """The await chain with source text, down to where it stands."""
        with watched(workshop, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            viewer.connection.send(wire.Follow(viewer.task("holder").id))
            seen = detail(viewer)
            lock = next(each.id for each in viewer.picture.resources.values() if each.type == "asyncio.Lock")
        assert ["await asyncio.sleep(1000)"] == [place.code for place in seen.stack if place.file == __file__] or [
            place.code for place in seen.stack
        ][:1] == ["await asyncio.sleep(1000)"]
        assert [viewer.task("holder").parent] == [maker.id for maker in seen.makers]
        assert (lock,) == seen.holds
        (wait,) = seen.past
        assert ("asyncio.sleep", None) == (wait.wait, wait.ended)

    def test_what_it_waited_for(self, tmp_path: Path) -> None:
        """Each wait that it leaves, with its span; told when it moves, not again and again."""
        events: list[asyncio.Event] = []

        async def steps() -> None:
            events.extend(asyncio.Event() for _ in range(3))
            for event in events:
                await event.wait()

        with watched(park, tmp_path) as program:
            viewer = program.attach()
            program.start(steps())
            viewer.watch(lambda picture: any(task.wait == "asyncio.Event" for task in picture.tasks.values()))
            task = viewer.task("steps")
            viewer.connection.send(wire.Follow(task.id))
            assert 1 == len(detail(viewer).past)
            program.do(events[0].set)
            past = detail(viewer, lambda each: len(each.past) > 1).past
            program.do(events[1].set)
            program.do(events[2].set)
            assert detail(viewer, lambda each: each.gone).id == task.id
        first, second = past
        assert first.ended is not None and first.began <= first.ended <= second.began
        assert second.ended is None and first.on != second.on

    def test_a_task_that_is_not_there(self, tmp_path: Path) -> None:
        """Is gone; and so is what was never a task."""
        with watched(park, tmp_path) as program:
            viewer = program.attach(rows=False)
            for key in ("task-7", "lock-7", "", "task-zz"):
                viewer.connection.send(wire.Follow(key))
                assert wire.Detail(key, gone=True) == detail(viewer)

    def test_no_more(self, tmp_path: Path) -> None:
        """Follow with nothing ends it; another task takes the place of the first."""
        with watched(workshop, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            for name in ("holder", "first"):
                viewer.connection.send(wire.Follow(viewer.task(name).id))
                assert viewer.task(name).id == detail(viewer).id
            viewer.connection.send(wire.Follow(None))
            viewer.heard(wire.Update)
            frames = []
            for _ in range(3):
                frames.append(viewer.heard(wire.Update))
        assert 3 == len(frames)

    def test_the_span_that_it_works_for(self, tmp_path: Path) -> None:
        """Where the program has OpenTelemetry."""
        from opentelemetry import trace

        span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=False))

        async def traced() -> None:
            with trace.use_span(span):
                await park()

        with watched(park, tmp_path) as program:
            viewer = program.attach()
            program.start(traced())
            viewer.watch(lambda picture: any(task.name == "traced" and task.at for task in picture.tasks.values()))
            viewer.connection.send(wire.Follow(viewer.task("traced").id))
            seen = detail(viewer)
        assert (f"{0xABC:032x}", f"{0xDEF:016x}") == (seen.trace_id, seen.span_id)

    def test_a_running_task(self, tmp_path: Path) -> None:
        """Its stack is the running one: what keeps the loop can be read."""
        import time

        async def busy() -> None:
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                crunch()

        def crunch() -> None:
            sum(range(2000))

        with watched(park, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            future = asyncio.run_coroutine_threadsafe(busy(), program.loop)
            viewer.watch(lambda picture: any(task.state == "running" for task in picture.tasks.values()))
            (task,) = [each for each in viewer.picture.tasks.values() if each.state == "running"]
            viewer.connection.send(wire.Follow(task.id))
            functions = [place.function.rpartition(".")[2] for place in detail(viewer).stack]
            future.result(PATIENCE)
        assert "busy" == functions[0]


class TestActions:
    def test_refused_unless_allowed(self, tmp_path: Path) -> None:
        """With the name of the variable; the task and the agent go on."""
        with watched(workshop, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            assert not viewer.connection.greeting.actions
            for order in (wire.Cancel(1, viewer.task("holder").id), wire.SwitchOff(2)):
                viewer.connection.send(order)
                answer = viewer.heard(wire.Answer)
                assert (order.number, False) == (answer.number, answer.done)
                assert "UNSTUCK_ALLOW_ACTIONS=1" in answer.text
            assert unstuck.installed()
            assert viewer.task("holder").id in viewer.picture.tasks

    def test_cancel(self, tmp_path: Path) -> None:
        """In the task's own loop; the answer says how it went."""
        cancelled = []

        async def victim() -> None:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                cancelled.append(asyncio.get_running_loop())
                raise

        with watched(park, tmp_path, allow_actions=True) as program:
            viewer = program.attach()
            program.start(victim())
            viewer.watch(lambda picture: any(task.coro.endswith("victim") for task in picture.tasks.values()))
            key = next(task.id for task in viewer.picture.tasks.values() if task.coro.endswith("victim"))
            assert viewer.connection.greeting.actions
            viewer.connection.send(wire.Cancel(5, key))
            assert wire.Answer(5, True, "victim was cancelled") == viewer.heard(wire.Answer)
            viewer.watch(lambda picture: key not in picture.tasks)
            viewer.connection.send(wire.Cancel(6, key))
            assert wire.Answer(6, False, f"there is no task {key} any more") == viewer.heard(wire.Answer)
        assert [program.loop] == cancelled

    def test_a_deadlock_of_joins_can_be_cancelled(self, tmp_path: Path) -> None:
        """Where Task.cancel() itself would end in a RecursionError."""

        async def circle() -> None:
            tasks: list[asyncio.Task[object]] = []

            async def join(other: int) -> None:
                await asyncio.sleep(0)
                await tasks[other]

            tasks.extend(asyncio.create_task(join(1 - number), name=f"join-{number}") for number in range(2))
            await asyncio.wait(tasks)

        with watched(circle, tmp_path, allow_actions=True) as program:
            viewer = program.attach()
            viewer.watch(lambda picture: [task.wait for task in picture.tasks.values()].count("task") == 2)
            viewer.connection.send(wire.Cancel(1, viewer.task("join-0").id))
            assert viewer.heard(wire.Answer).done

    def test_a_loop_that_does_not_turn(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The answer comes all the same, and says so."""
        import threading

        from unstuck.agent.serving import orders

        monkeypatch.setattr(orders, "_PATIENCE", 0.2)
        gate = threading.Event()
        with watched(park, tmp_path, allow_actions=True) as program:
            viewer = program.attach()
            viewer.whole()
            program.loop.call_soon_threadsafe(gate.wait, PATIENCE)
            viewer.connection.send(wire.Cancel(1, next(iter(viewer.picture.tasks))))
            answer = viewer.heard(wire.Answer)
            gate.set()
        assert not answer.done and "has not turned" in answer.text

    def test_switch_off(self, tmp_path: Path) -> None:
        """The agent goes, with its socket; the program stays."""
        with watched(park, tmp_path, allow_actions=True) as program:
            viewer = program.attach()
            viewer.whole()
            viewer.connection.send(wire.SwitchOff(9))
            assert wire.Answer(9, True, "the agent in this process switches itself off") == viewer.heard(wire.Answer)
            with pytest.raises(Left):
                viewer.heard(wire.Refusal)
            assert eventually(lambda: not unstuck.installed())
            assert eventually(lambda: [] == list(tmp_path.iterdir()))
            assert 7 == program.do(lambda: 7)


class TestProof:
    def test_looking_takes_no_proof_away(self, tmp_path: Path) -> None:
        """What is proven by counting references is proven as well while all of it is looked at, followed and told."""
        with watched(park, tmp_path, interval=0.05) as program:
            viewer = program.attach(stacks=True)
            viewer.whole()
            program.start(event_forgotten())
            viewer.watch(lambda picture: any(task.name == "waiter" for task in picture.tasks.values()))
            viewer.connection.send(wire.Follow(viewer.task("waiter").id))
            viewer.watch(lambda picture: picture.findings)
            (finding,) = viewer.picture.findings.values()
        assert ("stuck", "proven") == (finding["kind"], finding["verdict"])
