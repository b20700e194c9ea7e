"""Finding processes and talking with them, against a peer of the test's own that does as it is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unstuck.agent import wire
from unstuck.tui import connection
from unstuck.tui.connection import Connection, Left, Process, Unreachable

GREETING = wire.Greeting(wire.VERSION, "0.1.0", 7)
Peer = Callable[[socket.socket], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[[Peer], Process]]:
    """Lets a function talk with whoever connects, as this very process."""
    listener = socket.socket(socket.AF_UNIX)
    threads: list[threading.Thread] = []

    def begin(peer: Peer) -> Process:
        path = str(folder / f"{os.getpid()}.sock")
        listener.bind(path)
        listener.listen()
        threads.append(threading.Thread(target=lambda: answer(peer)))
        threads[0].start()
        return Process(os.getpid(), path)

    def answer(peer: Peer) -> None:
        stream, _ = listener.accept()
        with stream:
            peer(stream)

    yield begin
    for thread in threads:
        thread.join()
    listener.close()


def heard(stream: socket.socket) -> wire.Asked:
    unpacker = wire.from_client()
    while not (frames := list(unpacker.feed(stream.recv(4096)))):
        pass
    frame: wire.Asked = frames[0]
    return frame


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def leave_socket(folder: Path, pid: int) -> Path:
    """What a killed process leaves behind."""
    path = folder / f"{pid}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def test_a_conversation(serve: Callable[[Peer], Process]) -> None:
    """Attach, greeting, frames in whatever pieces, and the end."""
    update = wire.Update(1.0, wire.Health(0, 0, 0, 0, 0.0, 0))
    asked = []

    def peer(stream: socket.socket) -> None:
        asked.append(heard(stream))
        whole = wire.pack(GREETING) + wire.pack(update) + wire.pack(update)
        stream.sendall(whole[:9])
        stream.sendall(whole[9:])

    attach = wire.Attach(wire.VERSION, stacks=True)
    with Connection(serve(peer), attach) as talk:
        frames = talk.frames(5)
        assert [update, update] == [next(frames), next(frames)]
        with pytest.raises(Left, match="has hung up"):
            next(frames)
    assert [attach] == asked
    assert GREETING == talk.greeting


def test_a_refusal_is_told(serve: Callable[[Peer], Process]) -> None:
    """With the reason."""

    def peer(stream: socket.socket) -> None:
        stream.sendall(wire.pack(wire.Refusal("no more than 8 at once")))

    with pytest.raises(Unreachable, match="no more than 8") as failure:
        Connection(serve(peer))
    assert connection.NO_ANSWER == failure.value.code


def test_another_version_is_told(serve: Callable[[Peer], Process]) -> None:
    """Both versions, and what to do."""

    def peer(stream: socket.socket) -> None:
        stream.sendall(wire.pack(wire.Greeting(99, "9.9", 7)))

    with pytest.raises(Unreachable, match=r"runs unstuck 9\.9, which speaks version 99 .* version 1\. Use"):
        Connection(serve(peer))


def test_silence_ends(serve: Callable[[Peer], Process]) -> None:
    """A stopped process accepts nobody and answers nothing."""
    over = threading.Event()
    with pytest.raises(Unreachable, match="does not answer: it is stopped"):
        Connection(serve(lambda stream: over.wait() and None), patience=0.05)
    over.set()


@pytest.mark.parametrize("noise", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", b"GET / HTTP/1.1\r\n\r\n"])
def test_noise_is_no_process_of_ours(serve: Callable[[Peer], Process], noise: bytes) -> None:
    """Nor is it a crash."""
    with pytest.raises(Unreachable) as failure:
        Connection(serve(lambda stream: stream.sendall(noise)))
    assert connection.NO_ANSWER == failure.value.code


def test_the_dead_are_cleaned_away(folder: Path) -> None:
    """Their sockets are removed by whoever looks."""
    path = leave_socket(folder, dead_pid())

    assert [] == connection.processes([str(folder)])
    assert not path.exists()


def test_a_pid_used_again_is_not_the_process(folder: Path) -> None:
    """A living process that has nothing to do with the socket of that name."""
    path = leave_socket(folder, os.getpid())

    (process,) = connection.processes([str(folder)])
    with pytest.raises(Unreachable, match="has ended, or its agent was switched off"):
        Connection(process)
    assert not path.exists()


def test_other_files_are_left_alone(folder: Path) -> None:
    """Only PID.sock is ours."""
    (folder / "notes.sock").touch()

    assert [] == connection.processes([str(folder)])
    assert (folder / "notes.sock").exists()


def test_no_folder_no_processes(folder: Path) -> None:
    """Nothing has ever run here."""
    assert [] == connection.processes([str(folder / "none")])


def test_a_folder_that_others_may_write_to_is_not_looked_into(folder: Path) -> None:
    """Anybody could have put a socket there."""
    folder.chmod(0o770)

    with pytest.raises(Unreachable, match="others may write to the socket folder"):
        connection.processes([str(folder)])


def test_a_link_is_not_followed(folder: Path) -> None:
    """It may lead anywhere, and elsewhere tomorrow."""
    (folder / "real").mkdir(0o700)
    (folder / "link").symlink_to(folder / "real")

    with pytest.raises(Unreachable, match="is a symbolic link"):
        connection.processes([str(folder / "link")])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_foreign_folder_is_not_looked_into(folder: Path) -> None:
    """Not even by root."""
    os.chown(folder, 54321, -1)

    with pytest.raises(Unreachable, match=r"belongs to another user \(54321\)"):
        connection.processes([str(folder)])


def test_why_there_is_no_such_process(folder: Path) -> None:
    """No process, or one without the agent: the texts differ."""
    with pytest.raises(Unreachable, match="there is no process") as failure:
        connection.find(dead_pid(), [str(folder)])
    assert connection.NOT_THERE == failure.value.code
    with pytest.raises(Unreachable, match="does not run the agent"):
        connection.find(os.getpid(), [str(folder)])


def test_why_another_users_process_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To root, too: whoever may do everything would look in vain for what is wrong with the process."""
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(Unreachable, match=r"belongs to another user \(.+\); only its own user") as failure:
        connection.find(os.getpid(), [str(folder / "none")])
    assert connection.NO_ANSWER == failure.value.code
