"""What a process tells those who look at it through its socket."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import time
from pathlib import Path

import pytest

from unstuck.agent import wire
from unstuck.tui.connection import Connection, Unreachable
from unstuck.tui.picture import Edge

from .watching import PATIENCE, appears, eventually, watched


async def park() -> None:
    await asyncio.get_running_loop().create_future()


async def workshop() -> None:
    """One holds a lock and sleeps, two queue for it, one waits for a queue, all under a gather."""
    lock, queue = asyncio.Lock(), asyncio.Queue[int](3)

    async def hold() -> None:
        async with lock:
            await asyncio.sleep(1000)

    async def take() -> None:
        async with lock:
            pass

    async def get() -> None:
        async with asyncio.timeout(500):
            await queue.get()

    names = {"holder": hold, "first": take, "second": take, "reader": get}
    await asyncio.gather(*(asyncio.create_task(body(), name=name) for name, body in names.items()))


def test_who_it_is(tmp_path: Path) -> None:
    """The greeting names the process, its command and service, and what may be asked of it."""
    with watched(park, tmp_path) as program:
        greeting = program.attach().connection.greeting
    assert (wire.VERSION, os.getpid(), False, ()) == (
        greeting.version,
        greeting.pid,
        greeting.actions,
        greeting.findings,
    )
    assert tuple(sys.orig_argv[:3]) == greeting.command[:3]
    assert 0 < time.time() - greeting.started < PATIENCE


def test_tasks_and_what_they_wait_for(tmp_path: Path) -> None:
    """State, kind of wait, resource, line, creator, and when it ends by itself."""
    with watched(workshop, tmp_path) as program:
        viewer = program.attach()
        picture = viewer.whole()
    first, holder, reader = viewer.task("first"), viewer.task("holder"), viewer.task("reader")
    waits = {task.name: (task.state, task.wait) for task in (first, holder, reader)}
    assert {
        "first": ("waiting", "asyncio.Lock"),
        "holder": ("waiting", "asyncio.sleep"),
        "reader": ("waiting", "asyncio.Queue.get"),
    } == waits
    assert "workshop.<locals>.take" == first.coro
    assert first.at is not None and (__file__, "workshop.<locals>.take") == (first.at.file, first.at.function)
    assert first.made is not None and "workshop.<locals>.<genexpr>" == first.made.function
    assert 0 < (holder.due or 0) - time.time() < 1000
    assert 0 < (reader.due or 0) - time.time() < 500
    (main,) = [task for task in picture.tasks.values() if task.wait == "asyncio.gather"]
    assert {task.id for task in picture.tasks.values() if task is not main} == set(main.joins)
    assert {main.id} == {task.parent for task in picture.tasks.values() if task is not main}
    (loop,) = picture.loops.values()
    assert ("program", True, 5) == (loop.thread, loop.running, loop.tasks)
    assert picture.health is not None and (5, 5) == (picture.health.tasks, picture.health.waiting)
    assert all(task.born is not None and task.born <= task.since for task in picture.tasks.values())


def test_resources_and_the_graph(tmp_path: Path) -> None:
    """A lock with its holder and its queue, a queue with its size, the edges between them."""
    with watched(workshop, tmp_path) as program:
        viewer = program.attach()
        picture = viewer.whole()
        lock = next(each for each in picture.resources.values() if each.type == "asyncio.Lock")
        queue = next(each for each in picture.resources.values() if each.type == "asyncio.Queue")
    holder, first = viewer.task("holder").id, viewer.task("first")
    assert ((holder,), 2) == (lock.holders, lock.waiters)
    assert first.since == pytest.approx(lock.oldest, abs=0.001)
    assert (0, 3, 1) == (queue.used, queue.total, queue.waiters)
    assert queue.made is not None and "workshop" == queue.made.function
    assert {Edge(first.id, lock.id, "waits"), Edge(lock.id, holder, "held_by")} <= set(picture.edges())


def test_only_what_has_changed_is_told_again(tmp_path: Path) -> None:
    """A task that has begun, moved or ended; of the others not a word."""
    events: list[asyncio.Event] = []

    async def steps() -> None:
        events.extend([asyncio.Event(), asyncio.Event()])
        await events[0].wait()
        await events[1].wait()

    with watched(workshop, tmp_path) as program:
        viewer = program.attach()
        viewer.whole()
        viewer.frames.clear()
        program.start(steps())
        viewer.watch(lambda picture: any(each.name == "steps" for each in picture.tasks.values()))
        known = viewer.task("steps")
        program.do(events[0].set)
        viewer.watch(lambda picture: picture.tasks[known.id].at not in (None, known.at))
        program.do(events[1].set)
        viewer.watch(lambda picture: known.id not in picture.tasks)
        told = {task.name for frame in viewer.frames if isinstance(frame, wire.Update) for task in frame.tasks}
    assert {"steps"} == {name for name in told if not name.startswith("Task-")}  # but for what the test itself runs


def test_a_wait_is_as_old_as_it_is(tmp_path: Path) -> None:
    """A worker that gets work now and then has not been waiting since it began, even if all looks the same."""
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def worker() -> None:
        asyncio.current_task().set_name("worker")  # type: ignore[union-attr]
        while True:
            await queue.get()

    with watched(worker, tmp_path) as program:
        viewer = program.attach()
        viewer.whole()
        since = viewer.task("worker").since
        program.do(lambda: queue.put_nowait(1))
        viewer.watch(lambda picture: viewer.task("worker").since > since)


def test_findings_that_are_open_and_those_that_follow(tmp_path: Path) -> None:
    """Who comes late is greeted with what is open; who is there hears it happen."""

    async def knot() -> None:
        locks = [asyncio.Lock(), asyncio.Lock()]

        async def take(one: asyncio.Lock, other: asyncio.Lock) -> None:
            async with one:
                await asyncio.sleep(0.01)
                async with other:
                    pass

        await asyncio.gather(*(asyncio.create_task(take(*pair)) for pair in (locks, locks[::-1])))

    with watched(knot, tmp_path) as program:
        early = program.attach()
        early.watch(lambda picture: picture.findings)
        late = program.attach()
        tasks = program.do(lambda: list(asyncio.all_tasks(program.loop)))
        program.do(lambda: [task.cancel() for task in tasks if "take" in repr(task)])
        early.watch(lambda picture: picture.past)
    (greeted,) = late.connection.greeting.findings
    assert ("deadlock", "opened") == (greeted["kind"], greeted["event"])
    assert [(greeted["id"], "closed")] == [(record["id"], record["event"]) for record in early.picture.past]


def test_without_rows(tmp_path: Path) -> None:
    """Health, loops and findings only: what ps needs costs no look at each task."""
    with watched(workshop, tmp_path) as program:
        viewer = program.attach(rows=False)
        picture = viewer.watch(lambda picture: picture.complete and picture.health and picture.health.oldest)
    assert ({}, {}) == (picture.tasks, picture.resources)
    assert picture.health is not None and 5 == picture.health.tasks
    assert picture.health.oldest is not None and 0 < time.time() - picture.health.oldest < PATIENCE


def test_stacks_of_all_tasks(tmp_path: Path) -> None:
    """With source text, before the update that is complete."""
    with watched(workshop, tmp_path) as program:
        viewer = program.attach(stacks=True)
        picture = viewer.whole()
    assert set(picture.tasks) == set(picture.details)
    detail = picture.details[viewer.task("holder").id]
    assert ["await asyncio.sleep(1000)"] == [place.code for place in detail.stack if place.file == __file__]
    assert [viewer.task("holder").parent] == [maker.id for maker in detail.makers]
    lock = next(each.id for each in picture.resources.values() if each.type == "asyncio.Lock")
    assert (lock,) == detail.holds


def test_several_at_once(tmp_path: Path) -> None:
    """Eight dashboards see the same; one that leaves disturbs nobody."""
    with watched(workshop, tmp_path) as program:
        viewers = [program.attach() for _ in range(8)]
        pictures = [viewer.whole() for viewer in viewers]
        viewers[0].connection.close()
        program.start(park(), "late")
        for viewer in viewers[1:]:
            viewer.watch(lambda picture: any(each.name == "late" for each in picture.tasks.values()))
    shown = [{task.name for task in picture.tasks.values()} for picture in pictures]
    assert [{"holder", "first", "second", "reader"} <= names for names in shown] == [True] * 8


def test_one_too_many_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than left without an answer."""
    from unstuck.agent.serving import audience

    monkeypatch.setattr(audience, "MOST_CLIENTS", 2)
    with watched(park, tmp_path) as program:
        program.attach(), program.attach()
        with pytest.raises(Unreachable, match="2 others are looking at this process already"):
            program.attach()


def test_another_version_is_refused(tmp_path: Path) -> None:
    """With both versions, and what to do."""
    with watched(park, tmp_path) as program, pytest.raises(Unreachable) as refusal:
        Connection(program.process, wire.Attach(99))
    assert "speaks version 1 of the protocol; you speak version 99" in str(refusal.value)
    assert "-m unstuck" in str(refusal.value)


def test_a_conversation_begins_with_attach(tmp_path: Path) -> None:
    """Whoever says something else first is refused."""
    with watched(park, tmp_path) as program:
        with pytest.raises(Unreachable, match="a conversation begins with Attach"):
            Connection(program.process, wire.Follow(None))  # type: ignore[arg-type]
        viewer = program.attach()
        viewer.connection.send(wire.Attach(wire.VERSION))
        assert "Attach comes once" == viewer.heard(wire.Refusal).reason


def test_the_folder_and_the_socket_are_the_users_own(tmp_path: Path) -> None:
    """Nobody else may enter or connect; and with the agent the file goes."""
    folder = tmp_path / "new"
    with watched(park, tmp_path, socket_dir=str(folder)):
        path = folder / f"{os.getpid()}.sock"
        assert appears(path)
        assert (0o700, 0o600) == (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(path.stat().st_mode))
        assert [path] == list(folder.iterdir())
    assert [] == list(folder.iterdir())


def test_what_the_dead_have_left_is_removed(tmp_path: Path) -> None:
    """By the next process that comes, too: perhaps nobody ever looks."""
    from .test_connection import dead_pid, leave_socket

    stale, own = leave_socket(tmp_path, dead_pid()), leave_socket(tmp_path, os.getpid())
    with watched(park, tmp_path) as program:
        assert eventually(lambda: not stale.exists())
        assert program.attach().whole().tasks
    assert not own.exists()


class TestRefusedFolders:
    def refused(self, folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> str:
        """What the agent says about a folder; it must go on without a socket."""

        async def knot() -> None:
            lock = asyncio.Lock()
            async with lock, lock:
                pass

        with watched(knot, tmp_path, socket_dir=str(folder)) as program:
            assert eventually(lambda: program.ear.opened("deadlock"))
        (line,) = capsys.readouterr().err.splitlines()
        return line

    def test_a_link(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It may lead anywhere tomorrow."""
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        line = self.refused(tmp_path / "link", capsys, tmp_path)
        assert line.startswith("unstuck: no dashboard can look at this process: the socket folder")
        assert "is a symbolic link" in line

    def test_others_may_write(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """They could put a socket of their own in the place of ours."""
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o770)
        assert "others may write to" in self.refused(tmp_path / "open", capsys, tmp_path)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_foreign(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """It is its owner's to do with as he likes."""
        (tmp_path / "foreign").mkdir(mode=0o700)
        os.chown(tmp_path / "foreign", 54321, -1)
        assert "belongs to another user" in self.refused(tmp_path / "foreign", capsys, tmp_path)

    def test_no_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file of that name."""
        (tmp_path / "file").touch()
        assert "is no folder" in self.refused(tmp_path / "file", capsys, tmp_path)

    def test_a_parent_that_is_missing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Only the folder itself is made."""
        assert "No such file" in self.refused(tmp_path / "none" / "folder", capsys, tmp_path)

    def test_too_long(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The kernel has 108 bytes for the path."""
        assert "is too long for a socket" in self.refused(tmp_path / ("x" * 100), capsys, tmp_path)


def test_several_loops(tmp_path: Path) -> None:
    """Each with its thread and its tasks."""
    import threading

    ready, gate = threading.Event(), threading.Event()

    async def second() -> None:
        tasks = [asyncio.create_task(park()) for _ in range(3)]
        ready.set()
        await asyncio.to_thread(gate.wait, PATIENCE)
        for task in tasks:
            task.cancel()

    with watched(workshop, tmp_path) as program:
        thread = threading.Thread(target=lambda: asyncio.run(second()), name="other")
        thread.start()
        assert ready.wait(PATIENCE)
        viewer = program.attach()
        picture = viewer.watch(
            lambda picture: {loop.thread: loop.tasks for loop in picture.loops.values()} == {"program": 5, "other": 4}
        )
        assert picture.health is not None and 9 == picture.health.tasks
        gate.set()
        thread.join()
        viewer.watch(lambda picture: [loop.thread for loop in picture.loops.values()] == ["program"])


def test_how_late_a_loop_is(tmp_path: Path) -> None:
    """Seen without waking it: by its timers that are due, and by the callback that has run for long."""
    import threading

    gate = threading.Event()

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.01)

    with watched(tick, tmp_path) as program:
        viewer = program.attach()
        viewer.whole()
        program.loop.call_soon_threadsafe(gate.wait, PATIENCE)
        viewer.watch(lambda picture: any(late > 0.2 for samples in picture.delays.values() for late in samples))
        gate.set()
        (samples,) = viewer.picture.delays.values()
        told = len(samples)
        viewer.watch(lambda picture: any(list(each)[told:][-1:] == [0.0] for each in picture.delays.values()))
