"""Whatever clients do: no crash, no growth, nothing that the program would notice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import socket
import struct
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from unstuck.agent import api, wire
from unstuck.agent.serving import client, frames, session
from unstuck.agent.serving.text import clean, clean_record
from unstuck.tui.connection import Connection, Left, Process, Unreachable

from .test_socket import park, workshop
from .watching import PATIENCE, Watched, eventually, watched

SEED = int(os.environ.get("UNSTUCK_TEST_SEED", "7"))


def raw(program: Watched) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(PATIENCE)
    assert eventually(lambda: connects(stream, program.process.path))
    return stream


def connects(stream: socket.socket, path: str) -> bool:
    """Whether there is room for one more."""
    try:
        stream.connect(path)
    except BlockingIOError:
        return False
    return True


def audience() -> Any:
    return api.current().pipeline.server._audience


def is_alone() -> bool:
    return audience() is None


def attach() -> bytes:
    return wire.pack(wire.Attach(wire.VERSION))


class TestNoise:
    @pytest.mark.parametrize(
        ("noise", "word"),
        [
            (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "a frame of 1195725856 bytes; 65536 are allowed"),
            (b"\0\0\0\1\xc1", "not a frame of this protocol"),
            (struct.pack(">I", wire.MOST_ASKED + 1), "65536 are allowed"),
            (wire.pack(wire.Update(1.0, wire.Health(0, 0, 0, 0, 0.0, 0))), "not a frame of this protocol"),
            (wire.pack(wire.Follow(None)), "a conversation begins with Attach"),
        ],
    )
    def test_what_is_no_frame_is_refused_with_a_word(self, tmp_path: Path, noise: bytes, word: str) -> None:
        """And then hung up on; the next client is served as ever."""
        with watched(park, tmp_path) as program:
            with raw(program) as stream:
                stream.sendall(noise)
                said = read_all(stream)
            (refusal,) = wire.from_process().feed(said)
            assert isinstance(refusal, wire.Refusal) and word in refusal.reason
            assert program.attach().whole().tasks

    def test_deep_nesting_is_no_recursion_error(self, tmp_path: Path) -> None:
        """Sixty thousand arrays in one another."""
        body = b"\x82\xa4type\xa6attach\xa7version" + b"\x91" * 60_000 + b"\x01"
        with watched(park, tmp_path) as program, raw(program) as stream:
            stream.sendall(struct.pack(">I", len(body)) + body)
            (refusal,) = wire.from_process().feed(read_all(stream))
        assert "not a frame of this protocol" in refusal.reason

    def test_random_bytes(self, tmp_path: Path) -> None:
        """Noise, and frames with bytes changed, left out and added: the agent stays, and stays healthy."""
        chance = random.Random(SEED)
        good = [attach(), wire.pack(wire.Follow("task-1")), wire.pack(wire.Cancel(1, "task-1"))]
        with watched(workshop, tmp_path) as program:
            for _ in range(60):
                with raw(program) as stream:
                    for _ in range(chance.randrange(1, 5)):
                        try:
                            stream.sendall(damaged(chance, chance.choice(good)))
                        except OSError:
                            break
            assert eventually(is_alone)
            viewer = program.attach()
            viewer.whole()
            assert viewer.picture.health is not None and {} == viewer.picture.health.failed

    def test_a_frame_that_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who does not introduce himself is hung up on after a while."""
        monkeypatch.setattr(session, "_INTRODUCED_WITHIN", 0.1)
        with watched(park, tmp_path) as program, raw(program) as stream:
            stream.sendall(attach()[:-1])
            assert b"" == stream.recv(100)

    def test_bytes_one_by_one(self, tmp_path: Path) -> None:
        """A frame comes in whatever pieces."""
        with watched(park, tmp_path) as program, raw(program) as stream:
            for byte in attach():
                stream.sendall(bytes([byte]))
            unpacker, told = wire.from_process(), list[Any]()
            while not told:
                told += unpacker.feed(stream.recv(1 << 16))
        assert isinstance(told[0], wire.Greeting)


class TestSlowReaders:
    def test_what_is_not_read_is_not_made(self, tmp_path: Path) -> None:
        """The buffers stay small however long it takes, and the update after says all that has happened."""
        with watched(park, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            done = threading.Event()

            async def churn() -> None:
                while not done.is_set():
                    tasks = [asyncio.create_task(park(), name=f"brief-{n}") for n in range(200)]
                    await asyncio.sleep(0.02)
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)

            program.start(churn(), "churn")
            assert eventually(lambda: skipped() > 3)
            assert backlog() <= 2 * wire.MOST_TOLD
            done.set()
            assert eventually(lambda: not any("brief" in name for name in names(program)))
            picture = viewer.watch(
                lambda picture: picture.lost > 0 and not any("brief" in t.name for t in picture.tasks.values())
            )
        assert 1 == len([task for task in picture.tasks.values() if task.coro.endswith("main")])

    def test_one_that_reads_nothing_is_hung_up_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After ten seconds with something to be read; others are served meanwhile."""
        monkeypatch.setattr(client, "PATIENCE", 0.2)
        with watched(crowd, tmp_path) as program:
            silent = raw(program)
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            silent.sendall(wire.pack(wire.Attach(wire.VERSION, stacks=True, period=0.05)))
            viewer = program.attach()
            viewer.whole()
            for _frame in viewer.connection.frames(PATIENCE):
                if len(audience().sessions) == 1:
                    break
            assert 1 == len(audience().sessions)
            silent.close()

    def test_a_slow_process_does_not_hold_its_client(self, tmp_path: Path) -> None:
        """A client's waits end, even if the process sends half a frame and sleeps."""
        tmp_path.chmod(0o700)
        path = tmp_path / f"{os.getpid()}.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            half = wire.pack(wire.Greeting(wire.VERSION, "0", 1))[:10]
            thread = threading.Thread(target=lambda: streams.append(listener.accept()[0]) or streams[0].send(half))
            streams: list[socket.socket] = []
            thread.start()
            with pytest.raises(Unreachable, match="does not answer"):
                Connection(Process(os.getpid(), str(path)), patience=0.1)
            thread.join()
            streams[0].close()


class TestComingAndGoing:
    def test_two_hundred_times(self, tmp_path: Path) -> None:
        """Memory and descriptors are what they were, and nothing is kept of the clients."""

        def ten() -> None:
            with contextlib.ExitStack() as stack:
                streams = [stack.enter_context(raw(program)) for _ in range(10)]
                for stream in streams:
                    stream.sendall(attach())
                for stream in streams:
                    assert any(isinstance(frame, wire.Update) and frame.tasks for frame in told(stream))

        with watched(workshop, tmp_path, detect=frozenset()) as program:  # a finding would fill the cache of sources
            for _ in range(2):
                ten()
            assert eventually(is_alone)
            gc.collect()
            descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(18):
                ten()
            assert eventually(is_alone)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            if descriptors:
                assert descriptors == len(os.listdir("/proc/self/fd"))
        assert grown < 100_000, f"{grown} bytes"
        assert [] == list(tmp_path.iterdir())

    def test_nothing_is_kept_alive(self, tmp_path: Path) -> None:
        """A task that ends while it is looked at goes, with all that hangs on it."""
        import weakref

        kept: list[weakref.ref[Any]] = []

        class Load:
            pass

        async def body() -> None:
            load = Load()
            kept.append(weakref.ref(load))
            await asyncio.sleep(0.3)

        with watched(park, tmp_path) as program:
            viewer = program.attach(stacks=True)
            asyncio.run_coroutine_threadsafe(body(), program.loop)
            viewer.watch(lambda picture: any(task.coro.endswith("body") for task in picture.tasks.values()))
            key = next(task.id for task in viewer.picture.tasks.values() if task.coro.endswith("body"))
            viewer.connection.send(wire.Follow(key))
            viewer.watch(lambda picture: key not in picture.tasks)
            assert eventually(lambda: kept[0]() is None)

    def test_the_server_lets_go_when_the_agent_goes(self, tmp_path: Path) -> None:
        """Its clients hear the end of what was open, and then the end."""
        with watched(workshop, tmp_path) as program:
            viewer = program.attach()
            viewer.whole()
            import unstuck

            unstuck.uninstall()
            with pytest.raises(Left):
                viewer.watch(lambda picture: False)


class TestFrames:
    def test_long_updates_are_cut(self) -> None:
        """No frame is longer than allowed, nothing is lost, and complete comes last."""
        tasks = tuple(
            wire.Task(f"task-{n:x}", "n" * 200, "c" * 200, "loop", "waiting", 1.0, joins=("task-123456789",) * 50)
            for n in range(9_000)
        )
        update = wire.Update(1.0, wire.Health(0, 0, 0, 0, 0.0, 0), True, ("task-0",) * 300_000, tasks, lost=3)
        packed = list(frames.cut(update))
        assert max(map(len, packed)) <= wire.MOST_TOLD and len(packed) > 2
        unpacker = wire.from_process()
        told = [frame for data in packed for frame in unpacker.feed(data)]
        assert tasks == tuple(task for each in told for task in each.tasks)
        assert 300_000 == sum(len(each.gone) for each in told)
        assert [False] * (len(told) - 1) + [True] == [each.complete for each in told]
        assert 3 == sum(each.lost for each in told)

    def test_what_does_not_fit_into_any_frame_is_left_out(self) -> None:
        """Rather than all the rest."""
        huge = {"id": "x" * wire.MOST_TOLD}
        update = wire.Update(1.0, wire.Health(0, 0, 0, 0, 0.0, 0), True, events=(huge,))
        unpacker = wire.from_process()
        (told,) = [frame for data in frames.cut(update) for frame in unpacker.feed(data)]
        assert ((), True) == (told.events, told.complete)

    def test_text_that_is_no_text(self) -> None:
        """Names of files that are not UTF-8 can be packed, and long ones are cut."""
        assert "caf\\udce9" == clean("caf\udce9")
        assert 500 == len(clean("x" * 1000))
        record = {"title": "\udcff", "tasks": [{"stack": [{"file": "\udcff"}] * 300}], "age_s": 1.0}
        cleaned = clean_record(record)
        assert msgspec.msgpack.encode(cleaned)
        assert 100 == len(cleaned["tasks"][0]["stack"])

    def test_the_service(self) -> None:
        """OpenTelemetry's name where there is one."""
        assert "shop" == frames.service("shop", "service.name=other")
        assert "other" == frames.service(None, "a=b,service.name=other")
        assert frames.service(None, None)


async def crowd() -> None:
    """Enough tasks to fill a socket."""
    await asyncio.gather(*(asyncio.create_task(park(), name="n" * 150) for _ in range(1_000)))


def read_all(stream: socket.socket) -> bytes:
    data = b""
    try:
        while part := stream.recv(1 << 16):
            data += part
    except ConnectionResetError:
        pass
    return data


def told(stream: socket.socket) -> Iterator[wire.Told]:
    """What a client hears, frame by frame."""
    unpacker = wire.from_process()
    while data := stream.recv(1 << 16):
        yield from unpacker.feed(data)


def damaged(chance: random.Random, frame: bytes) -> bytes:
    how = chance.randrange(5)
    if how == 0:
        return chance.randbytes(chance.randrange(1, 200))
    if how == 1:
        return frame[: chance.randrange(len(frame))]
    if how == 2:
        return frame + chance.randbytes(chance.randrange(1, 50))
    changed = bytearray(frame)
    if how == 3:
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def skipped() -> int:
    """Updates that some client did not take."""
    return max((each._lost for each in audience().sessions), default=0) if audience() is not None else 0


def backlog() -> int:
    return max(each.client.backlog for each in audience().sessions)


def names(program: Watched) -> list[str]:
    tasks = program.do(lambda: asyncio.all_tasks(program.loop))
    return [task.get_name() for task in tasks]
