"""The socket's life: when it opens and goes, forks, programs that close what is not theirs, kills."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.agent import wire
from unstuck.tui import connection
from unstuck.tui.connection import Connection, Left, Process, Unreachable

from .children import environment
from .watching import PATIENCE, appears, eventually

START = """
import asyncio, os, signal, socket, sys, time, unstuck
from unstuck.agent.config import Settings
folder = sys.argv[1]
unstuck.install(Settings(sinks=("stderr", "socket"), socket_dir=folder, interval=0.05))
def say(*words):
    print(*words, flush=True)
def sockets():
    return sorted(name for name in os.listdir(folder) if name.endswith(".sock"))
def settled(there):
    path, end = os.path.join(folder, f"{os.getpid()}.sock"), time.monotonic() + 10
    while os.path.exists(path) != there and time.monotonic() < end:
        time.sleep(0.005)
    return os.path.exists(path)
async def serve():
    settled(True)
    say("up", os.getpid())
    await asyncio.to_thread(sys.stdin.readline)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@contextlib.contextmanager
def program(folder: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """A program of its own that goes when the block is left; its stderr must stay empty."""
    child = subprocess.Popen(
        [sys.executable, "-c", START + code, str(folder)],
        env=environment(PYTHONPATH=os.environ.get("PYTHONPATH", "")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        with contextlib.suppress(OSError):
            child.kill() if child.poll() is None else None
        child.communicate()


def heard(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def finish(child: subprocess.Popen[str]) -> str:
    """Let the program end by itself; the rest of what it says."""
    out, err = child.communicate("\n", timeout=60)
    assert ("", 0) == (err, child.returncode)
    return out


def at(folder: Path, pid: int) -> Process:
    return Process(pid, str(folder / f"{pid}.sock"))


def sees(folder: Path, pid: int) -> wire.Greeting:
    """What a process says when it is looked at."""
    with Connection(at(folder, pid)) as talk:
        assert isinstance(next(talk.frames(PATIENCE)), wire.Update)
        return talk.greeting


class TestOpening:
    def test_not_before_there_is_a_loop(self, folder: Path) -> None:
        """Neither at import nor at install, and never in a program without one."""
        code = "time.sleep(0.2); say(sockets()); loop = asyncio.new_event_loop(); settled(True)"
        code += "; say(sockets()); loop.close()"
        with program(folder, code) as child:
            assert "[]" == heard(child)
            assert f"['{child.pid}.sock']" == heard(child)
            finish(child)
        assert [] == list(folder.iterdir())

    def test_nothing_is_imported_before_somebody_connects(self, folder: Path) -> None:
        """msgspec takes as long as all of the agent."""
        code = "async def main():\n    await serve()\n    say('msgspec' in sys.modules)\nasyncio.run(main())"
        with program(folder, code) as child:
            assert heard(child).startswith("up")
            assert "False\n" == finish(child)
        with program(folder, code) as child:
            assert heard(child).startswith("up")
            sees(folder, child.pid)
            assert "True\n" == finish(child)

    def test_between_two_loops_it_stays(self, folder: Path) -> None:
        """And can be asked, though nothing runs."""
        code = "asyncio.run(asyncio.to_thread(settled, True)); say('ran'); sys.stdin.readline()"
        with program(folder, code) as child:
            assert "ran" == heard(child)
            assert child.pid == sees(folder, child.pid).pid
            finish(child)

    def test_in_the_middle_of_a_long_look(self, folder: Path) -> None:
        """Who connects is answered while the watcher is at something that takes long, wherever that breathes."""
        code = """
from unstuck.agent import api
from unstuck.agent.pace import breathe
class Slow:
    kind, lasting, often = "slow", False, False
    def look(self, sight):
        while not os.path.exists(os.path.join(folder, "go")):
            if not said:
                said.append(say("looks"))
            breathe()
        return ()
said = []
async def main():
    settled(True)
    api._agent.pipeline.detectors.append(Slow())
    await serve()
asyncio.run(main())
"""
        with program(folder, code) as child:
            assert {"looks", f"up {child.pid}"} == {heard(child), heard(child)}
            assert child.pid == sees(folder, child.pid).pid
            (folder / "go").touch()
            finish(child)

    def test_off_and_on_again(self, folder: Path) -> None:
        """With the agent."""
        code = """
async def main():
    settled(True)
    unstuck.uninstall()
    say(sockets())
    unstuck.install(Settings(sinks=("socket",), socket_dir=folder))
    await asyncio.sleep(0)
    await serve()
asyncio.run(main())
"""
        with program(folder, code) as child:
            assert "[]" == heard(child)
            assert heard(child).startswith("up")
            sees(folder, child.pid)
            finish(child)

    def test_a_folder_that_is_removed_is_made_again(self, folder: Path) -> None:
        """A user's runtime folder goes when he logs out; his service stays."""
        code = """
from unstuck.agent.serving import server
server._CHECKED_EVERY = 0.1
async def main():
    settled(True)
    os.rename(folder, folder + "-gone")  # at one go: the file would be made again before the folder is empty
    say(await asyncio.to_thread(settled, True))
    await serve()
asyncio.run(main())
"""
        with program(folder, code) as child:
            assert "True" == heard(child)
            assert heard(child).startswith("up")
            sees(folder, child.pid)
            finish(child)


class TestForks:
    def test_each_child_its_own(self, folder: Path) -> None:
        """While the parent's stays; a child without a loop has none, and takes nothing away when it ends."""
        code = """
async def main():
    settled(True)
    pids = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            os.close(0)
            break
        pids.append(pid)
    else:
        await serve()
        for pid in pids:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        say(sockets() == sorted(f"{pid}.sock" for pid in [os.getpid(), *pids]))
        return
    asyncio._set_running_loop(None)
    async def child():
        settled(True)
        say("up", os.getpid())
        await asyncio.sleep(60)
    asyncio.new_event_loop().run_until_complete(child())
asyncio.run(main())
"""
        with program(folder, code) as child:
            pids = {int(heard(child).split()[1]) for _ in range(3)}
            assert child.pid in pids
            assert pids == {sees(folder, pid).pid for pid in pids}
            assert [process.pid for process in connection.processes([str(folder)])] == sorted(pids)
            assert "True\n" == finish(child)
        assert [] == connection.processes([str(folder)])
        assert [] == list(folder.iterdir())

    def test_a_child_without_a_loop(self, folder: Path) -> None:
        """Its end, by whatever way, is not the parent's."""
        code = """
async def main():
    settled(True)
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    await serve()
if not os.fork():
    sys.exit(0)
os.wait()
asyncio.run(main())
"""
        with program(folder, code) as child:
            assert heard(child) == f"up {child.pid}"
            assert [f"{child.pid}.sock"] == [path.name for path in folder.iterdir()]
            sees(folder, child.pid)
            finish(child)

    def test_connections_stay_with_the_parent(self, folder: Path) -> None:
        """A child neither speaks to its parent's clients nor keeps them when the parent has gone."""
        code = """
async def main():
    await serve()
    pid = os.fork()
    if not pid:
        asyncio._set_running_loop(None)
        time.sleep(60)
        os._exit(0)
    await asyncio.sleep(0.2)
    say(pid)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
        with program(folder, code) as child:
            heard(child)
            with Connection(at(folder, child.pid), wire.Attach(wire.VERSION, period=0.05)) as talk:
                assert child.stdin is not None
                child.stdin.write("\n")
                child.stdin.flush()
                forked = int(heard(child))
                with pytest.raises(Left):
                    for _frame in talk.frames(PATIENCE):
                        pass
            os.kill(forked, signal.SIGKILL)

    def test_the_parent_is_seen_again_when_its_loop_turns(self, folder: Path) -> None:
        """Nobody is kept waiting by a process whose watcher rests after a fork."""
        code = """
asyncio.run(asyncio.to_thread(settled, True))
if not os.fork():
    os._exit(0)
os.wait()
say(sockets())
asyncio.run(serve())
"""
        with program(folder, code) as child:
            assert "[]" == heard(child)
            assert heard(child).startswith("up")
            sees(folder, child.pid)
            finish(child)


class TestClosedDescriptors:
    CODE = """
async def main():
    settled(True)
    await serve()
    os.closerange(3, 100)
    say("closed")
    mine = [os.open(os.devnull, os.O_RDWR) for _ in range(40)]
    say("opened")
    sys.stdin.readline()
    unstuck.uninstall()
    say(all(os.fstat(fd).st_rdev for fd in mine))
    os._exit(0)
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
"""

    def test_what_takes_their_place_is_not_touched(self, folder: Path) -> None:
        """A daemon closes everything and opens files of its own: neither read from nor closed by us."""
        with program(folder, self.CODE) as child:
            heard(child)
            with Connection(at(folder, child.pid)) as talk:
                assert child.stdin is not None
                child.stdin.write("\n")
                child.stdin.flush()
                assert ["closed", "opened"] == [heard(child), heard(child)]
                with pytest.raises(Left):
                    for _frame in talk.frames(PATIENCE):
                        pass
            assert eventually(lambda: is_answered(at(folder, child.pid)))
            assert "True\n" == finish(child)


def is_answered(process: Process) -> bool:
    try:
        Connection(process).close()
    except Unreachable:
        return False
    return True


class TestKills:
    def test_a_killed_process_is_told_from_one_that_left(self, folder: Path) -> None:
        """The client hears it; whoever looks next removes what is left."""
        with program(folder, "asyncio.run(serve())") as child:
            heard(child)
            with Connection(at(folder, child.pid)) as talk:
                child.kill()
                with pytest.raises(Left):
                    for _frame in talk.frames(PATIENCE):
                        pass
            child.wait()
            assert appears(folder / f"{child.pid}.sock")
            with pytest.raises(Unreachable, match="there is no process"):
                connection.find(child.pid, [str(folder)])
        assert [] == list(folder.iterdir())

    def test_a_stopped_process_does_not_answer(self, folder: Path) -> None:
        """And says what has happened since when it goes on."""
        with program(folder, "asyncio.run(serve())") as child:
            heard(child)
            child.send_signal(signal.SIGSTOP)
            with pytest.raises(Unreachable, match="does not answer: it is stopped") as failure:
                Connection(at(folder, child.pid), patience=0.1)
            assert connection.NO_ANSWER == failure.value.code
            child.send_signal(signal.SIGCONT)
            sees(folder, child.pid)
            finish(child)

    CLIENT = """
import sys
from unstuck.agent import wire
from unstuck.tui.connection import Connection, Process
with Connection(Process(int(sys.argv[1]), sys.argv[2]), wire.Attach(wire.VERSION, period=0.05)) as talk:
    for frame in talk.frames(60):
        print(flush=True)
"""

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
    def test_the_program_does_not_notice_what_its_clients_suffer(self, folder: Path, how: signal.Signals) -> None:
        """Killed or stopped: others are served, and the program runs on."""
        with program(folder, "asyncio.run(serve())") as child:
            heard(child)
            process = at(folder, child.pid)
            client = subprocess.Popen(
                [sys.executable, "-c", self.CLIENT, str(process.pid), process.path],
                env=environment(PYTHONPATH=os.environ.get("PYTHONPATH", "")),
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                heard(client)
                client.send_signal(how)
                sees(folder, child.pid)
            finally:
                client.kill()
                client.communicate()
            sees(folder, child.pid)
            finish(child)

    def test_sigpipe_is_the_programs_own(self, folder: Path) -> None:
        """A program that lets it kill itself, as command line tools do, is not killed by a client that leaves."""
        code = "signal.signal(signal.SIGPIPE, signal.SIG_DFL); asyncio.run(serve())"
        with program(folder, code) as child:
            heard(child)
            for _ in range(5):
                talk = Connection(at(folder, child.pid), wire.Attach(wire.VERSION, period=0.05))
                next(talk.frames(PATIENCE))
                talk.close()
            sees(folder, child.pid)
            finish(child)
