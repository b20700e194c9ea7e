"""Processes are found, watched, and followed to their successors; against peers of the test's own."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from unstuck.agent import wire
from unstuck.tui import fleet as fleets
from unstuck.tui.connection import Unreachable
from unstuck.tui.fleet import Fleet, alike
from unstuck.tui.scene import ENDED, LIVE, Shot, moment

from . import builders, pictures

PERIOD = 0.02


@dataclass
class Peer:
    """A process that is there (it sleeps), and what answers in its name."""

    folder: Path
    command: tuple[str, ...] = ("python", "shop.py")
    service: str = ""
    records: tuple[dict[str, object], ...] = ()
    started: float = field(default_factory=time.time)
    asked: list[wire.Asked] = field(default_factory=list)
    quiet: bool = False

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(["sleep", "1000"])
        self.path = self.folder / f"{self.process.pid}.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        self.streams: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._listen)]
        self.threads[0].start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def die(self) -> None:
        """As if it was killed: the socket's file stays."""
        self.process.kill()
        self.process.wait()
        self.listener.shutdown(socket.SHUT_RDWR)
        for stream in self.streams:
            stream.close() if stream.fileno() < 0 else stream.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join()
        self.listener.close()

    def _listen(self) -> None:
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            self.streams.append(stream)
            self.threads.append(threading.Thread(target=self._talk, args=(stream,)))
            self.threads[-1].start()

    def _talk(self, stream: socket.socket) -> None:
        hello = wire.Greeting(
            wire.VERSION, "0.1.0", self.pid, self.command, self.service, "3.13.0", self.started, findings=self.records
        )
        unpacker = wire.from_client()
        with stream:
            try:
                stream.sendall(wire.pack(hello))
                while True:
                    if select.select([stream], [], [], PERIOD)[0]:
                        data = stream.recv(4096)
                        if not data:
                            return
                        self.asked += unpacker.feed(data)
                    if not self.quiet:
                        stream.sendall(wire.pack(self._update()))
            except OSError:
                return

    def _update(self) -> wire.Update:
        tasks = (pictures.task("task-1", "worker"),)
        return wire.Update(time.time(), wire.Health(1, 0, 0, 1, 0.0, 0), complete=True, tasks=tasks)


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Peer]]:
    """Starts peers; all of them are ended at the end."""
    monkeypatch.setattr(fleets, "EVERY", 0.05)
    tmp_path.chmod(0o700)
    peers: list[Peer] = []

    def begin(**more: object) -> Peer:
        peers.append(Peer(tmp_path, **more))  # type: ignore[arg-type]
        return peers[-1]

    yield begin
    for peer in peers:
        if peer.process.poll() is None:
            peer.die()


@pytest.fixture
def look(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Starts fleets; all of them are closed at the end."""
    opened: list[Fleet] = []

    def begin(*pids: int, **more: object) -> Fleet:
        opened.append(Fleet(pids, (str(tmp_path),), **more))  # type: ignore[arg-type]
        opened[-1].start(lambda: None)
        return opened[-1]

    yield begin
    for fleet in opened:
        fleet.close()


def until(seen: Callable[[], object], patience: float = 5.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + patience
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.01)


def shots(fleet: Fleet) -> dict[int, Shot]:
    return {shot.pid: shot for shot in fleet.scene().shots}


def test_one_process(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """Its tasks are seen, and what it is asked reaches it."""
    peer, _other = start(), start()
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    assert [peer.pid] == list(shots(fleet))
    assert not fleet.browsing

    fleet.send(peer.pid, wire.Follow("task-1"))
    until(lambda: wire.Follow("task-1") in peer.asked)
    assert [True] == [asked.rows for asked in peer.asked if isinstance(asked, wire.Attach)]


def test_a_list_to_choose_from(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """All are there, without their tasks; the one that is chosen is watched closely, the others no more."""
    one, other = start(), start()
    fleet = look()
    until(lambda: len(shots(fleet)) == 2)
    assert [[False], [False]] == [
        [asked.rows for asked in peer.asked if isinstance(asked, wire.Attach)] for peer in (one, other)
    ]

    fleet.choose([one.pid])
    until(lambda: list(shots(fleet)) == [one.pid])
    until(lambda: [asked.rows for asked in one.asked if isinstance(asked, wire.Attach)] == [False, True])
    until(lambda: other.streams[0].fileno() < 0)


def test_who_comes_later_appears_in_the_list(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """And who ends leaves it."""
    fleet = look()
    one = start()
    until(lambda: list(shots(fleet)) == [one.pid])
    one.die()
    until(lambda: not shots(fleet))


def test_a_process_that_is_killed(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """Its last picture stays; a stranger does not take its place."""
    peer, _stranger = start(), start(command=("python", "other.py"))
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    assert LIVE == shots(fleet)[peer.pid].state
    peer.die()
    until(lambda: shots(fleet)[peer.pid].state == ENDED)
    time.sleep(0.2)
    assert [peer.pid] == list(shots(fleet))
    assert ["worker"] == [task.name for task in shots(fleet)[peer.pid].tasks.values()]
    assert "the process has ended" == shots(fleet)[peer.pid].note
    with pytest.raises(Unreachable):
        fleet.send(peer.pid, wire.Follow(None))


def test_a_process_that_takes_long_to_die(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """It hangs up, does what is to be done at exit, and is gone: that is told then."""
    peer = start()
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    peer.path.unlink()
    peer.streams[0].shutdown(socket.SHUT_RDWR)
    until(lambda: "still runs" in shots(fleet)[peer.pid].note)
    peer.die()
    until(lambda: "the process has ended" == shots(fleet)[peer.pid].note)
    assert shots(fleet)[peer.pid].tasks


def test_its_successor_takes_its_place(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """The same command, started later; what was wrong with the first is not forgotten."""
    record = builders.two_locks().as_record()
    peer = start(records=(record,))
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    peer.die()
    until(lambda: shots(fleet)[peer.pid].state == ENDED)
    last = shots(fleet)[peer.pid]
    heir = start()
    until(lambda: list(shots(fleet)) == [heir.pid] and shots(fleet)[heir.pid].tasks)
    assert {} == dict(shots(fleet)[heir.pid].findings)
    (past,) = shots(fleet)[heir.pid].past
    assert (record["id"], "ended") == (past["id"], past["event"])
    assert moment(record) - record["age_s"] == pytest.approx(moment(past) - past["age_s"], abs=0.01)  # since when
    assert moment(past) == pytest.approx(last.time, abs=0.01)
    assert shots(fleet)[heir.pid].state == LIVE


def test_all_workers_of_a_service(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """Those that are there, and those that come later; nobody else."""
    one, _other = start(service="shop"), start(service="bank")
    fleet = look(service="shop")
    until(lambda: list(shots(fleet)) == [one.pid])
    two = start(service="shop")
    until(lambda: set(shots(fleet)) == {one.pid, two.pid})


def test_a_conversation_that_breaks_off_is_taken_up_again(
    start: Callable[..., Peer], look: Callable[..., Fleet]
) -> None:
    """The process lives: it is not mourned."""
    peer = start()
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    peer.streams[0].shutdown(socket.SHUT_RDWR)
    until(lambda: shots(fleet)[peer.pid].state == ENDED and "still runs" in shots(fleet)[peer.pid].note)
    until(lambda: shots(fleet)[peer.pid].state == LIVE)


def test_a_folder_that_is_refused(tmp_path: Path) -> None:
    """It is said why nothing is seen."""
    tmp_path.chmod(0o777)
    fleet = Fleet((), (str(tmp_path),))
    fleet.start(lambda: None)
    try:
        until(fleet.troubles)
        assert "others may write" in fleet.troubles()[0]
    finally:
        fleet.close()


def test_records_that_cannot_be_read(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """They are left out; the rest is shown."""
    good = builders.two_locks().as_record()
    peer = start(records=({"id": "x", "event": "opened"}, good, {"v": 9}, good | {"id": "y", "tasks": 3}))
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    assert [good["id"]] == list(shots(fleet)[peer.pid].findings)


def test_a_process_that_sends_what_is_no_frame(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """It is not believed any more; what was seen stays."""
    peer = start()
    fleet = look(peer.pid)
    until(lambda: shots(fleet) and shots(fleet)[peer.pid].tasks)
    peer.quiet = True
    time.sleep(5 * PERIOD)
    peer.streams[0].sendall(b"\0\0\0\4\xc1\xc1\xc1\xc1")
    until(lambda: shots(fleet)[peer.pid].state == ENDED)
    assert "not a frame of this protocol" in shots(fleet)[peer.pid].note
    assert shots(fleet)[peer.pid].tasks


def test_closing_leaves_no_thread(start: Callable[..., Peer], look: Callable[..., Fleet]) -> None:
    """And hangs up."""
    peer = start()
    fleet = look(peer.pid)
    until(lambda: shots(fleet))
    fleet.close()
    assert [] == [each.name for each in threading.enumerate() if each.name.startswith(("watch", "scout"))]
    until(lambda: peer.streams[0].fileno() < 0)


def test_who_is_alike() -> None:
    """The service says it, else the command; who says neither is like nobody."""
    shop = wire.Greeting(1, "0", 1, ("python", "a.py"), "shop")
    assert alike(shop, wire.Greeting(1, "0", 2, ("python", "b.py"), "shop"))
    assert not alike(shop, wire.Greeting(1, "0", 2, ("python", "a.py"), ""))
    assert alike(wire.Greeting(1, "0", 1, ("python", "a.py")), wire.Greeting(1, "0", 2, ("python", "a.py")))
    assert not alike(wire.Greeting(1, "0", 1), wire.Greeting(1, "0", 2))


def test_the_dashboard_does_not_list_itself(tmp_path: Path, look: Callable[..., Fleet]) -> None:
    """Even if it runs the agent."""
    tmp_path.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / f"{os.getpid()}.sock"))
        listener.listen()
        fleet = look()
        time.sleep(0.15)
        assert {} == shots(fleet)
