"""``unstuck dump``: one picture of a process, in four forms; ``unstuck ps``: all processes, a line each."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from unstuck.agent import wire
from unstuck.agent.cli import cli
from unstuck.tui import dumping
from unstuck.tui.connection import NO_ANSWER, NOT_THERE
from unstuck.tui.dumps import graphs, text
from unstuck.tui.listing import Summary, table
from unstuck.tui.picture import Edge, Picture

from .test_connection import dead_pid, leave_socket
from .test_socket import park, workshop
from .watching import Watched, eventually, watched


def call(folder: Path, *arguments: str) -> Result:
    """Run a command of ours that looks into that folder."""
    return CliRunner().invoke(cli, arguments, env={"UNSTUCK_SOCKET_DIR": str(folder), "COLUMNS": "110"})


def dumped(program: Watched, form: str) -> str:
    assert program.process
    result = call(program.folder, "dump", str(os.getpid()), "--format", form)
    assert (0, "") == (result.exit_code, result.stderr)
    return result.stdout


async def knot() -> None:
    """Two tasks that wait for each other, eight behind them, and their maker."""
    locks = [asyncio.Lock(), asyncio.Lock()]

    async def take(*wanted: asyncio.Lock) -> None:
        async with wanted[0]:
            await asyncio.sleep(0.01)
            async with wanted[1]:
                pass

    async def queue() -> None:
        async with locks[0]:
            pass

    pair = [asyncio.create_task(take(*both), name=name) for name, both in (("one", locks), ("two", locks[::-1]))]
    await asyncio.sleep(0.005)
    await asyncio.gather(*pair, *(asyncio.create_task(queue(), name=f"behind-{n}") for n in range(8)))


class TestText:
    def test_findings_first_then_loops_and_tasks(self, tmp_path: Path) -> None:
        """Who made whom is a tree; each task with what it waits for, its stack and what it holds."""
        with watched(knot, tmp_path) as program:
            assert eventually(lambda: program.ear.opened("deadlock"))
            lines = dumped(program, "text").splitlines()
        assert f"process {os.getpid()}: " in lines[0]
        assert "11 tasks (0 running, 0 ready, 11 waiting), 1 open finding" == lines[2]
        assert lines[4].startswith("deadlock [proven]  2 tasks wait for each other")
        loop = next(number for number, line in enumerate(lines) if line.startswith("loop "))
        assert "in program: running, 11 tasks" in lines[loop]
        one = next(number for number, line in enumerate(lines) if line.startswith("  one (take)  waits"))
        assert re.search(r"asyncio\.Lock .*, held by two$", lines[one])
        assert [line.split()[0] for line in lines[one + 1 : one + 3]] == [
            f"{place}:{number}" for place, number in places(lines[one + 1 : one + 3])
        ]
        assert "async with wanted[1]:" in lines[one + 1]
        assert any(line.strip().startswith("holds ") for line in lines[one : one + 5])

    def test_those_alike_are_told_once(self, tmp_path: Path) -> None:
        """With their number, the first of their names and the span of their waits."""
        with watched(knot, tmp_path) as program:
            assert eventually(lambda: program.ear.opened("deadlock"))
            lines = dumped(program, "text").splitlines()
        (line,) = [line for line in lines if "(queue)" in line]
        assert line.startswith("  behind-0, behind-1, behind-2 and 5 more (queue)  waits ")

    def test_names_cannot_speak_to_the_terminal(self) -> None:
        """What is not printable is escaped."""
        task = wire.Task("task-1", "a\x1b[2Jb", "work", "loop-1", "ready", 1.0)
        shown = "\n".join(text.lines(picture(task), False, 80, False))
        assert "\x1b" not in shown and "a\\x1b[2Jb (work)  ready, for" in shown

    def test_many_are_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And said to be."""
        monkeypatch.setattr(text, "MOST_TOLD", 3)
        tasks = [wire.Task(f"task-{n}", f"t{n}", f"work{n}", "loop-1", "ready", 1.0) for n in range(5)]
        assert "2 more tasks not shown" == list(text.lines(picture(*tasks), False, 80, False))[-1]

    def test_a_long_chain_of_makers(self) -> None:
        """Neither the depth of the tree nor a circle in it, as reused ids may make one, stops us."""
        chain = [
            wire.Task(f"task-{n}", f"t{n}", "work", "loop-1", "ready", 1.0, parent=f"task-{n - 1}") for n in range(1500)
        ]
        chain[0] = wire.Task("task-0", "t0", "work", "loop-1", "ready", 1.0, parent="task-0")
        shown = list(text.lines(picture(*chain), False, 80, False))
        assert 1500 == sum(" (work) " in line for line in shown)
        assert max(map(len, shown)) <= 80


class TestJson:
    def test_one_object(self, tmp_path: Path) -> None:
        """Everything by name, as docs/socket.md has it."""
        with watched(workshop, tmp_path) as program:
            document = json.loads(dumped(program, "json"))
        assert (1, True, os.getpid()) == (document["v"], document["complete"], document["process"]["pid"])
        tasks = {task["name"]: task for task in document["tasks"]}
        lock = next(each for each in document["resources"] if each["type"] == "asyncio.Lock")
        assert [tasks["holder"]["id"]] == lock["holders"]
        assert [lock["id"]] == tasks["holder"]["holds"]
        assert {"file", "line", "function", "code"} == set(tasks["holder"]["stack"][0])
        assert {"from": tasks["first"]["id"], "to": lock["id"], "relation": "waits"} in document["edges"]
        assert ["asyncio.timeout"] != tasks["reader"]["due"] and tasks["reader"]["due"] > document["time"]

    def test_every_field_is_documented(self, tmp_path: Path) -> None:
        """Renames are not allowed, and additions not without a word."""
        page = (Path(__file__).parents[1] / "docs" / "socket.md").read_text(encoding="utf-8")
        with watched(workshop, tmp_path) as program:
            document = json.loads(dumped(program, "json"))
        assert [] == sorted(name for name in fields(document) if f"`{name}`" not in page)


class TestGraphs:
    def test_dot(self, tmp_path: Path) -> None:
        """The core in red, holders dashed, the crowd one box."""
        with watched(knot, tmp_path) as program:
            assert eventually(lambda: program.ear.opened("deadlock"))
            shown = dumped(program, "dot")
        assert 4 == shown.count("color=red")
        assert 2 == shown.count('[label="held by", style=dashed]')
        assert 1 == shown.count("behind-") and "behind-0 and 7 more (queue)" in shown
        assert shown.startswith("digraph ") and shown.rstrip().endswith("}")

    def test_mermaid(self, tmp_path: Path) -> None:
        """The same for Markdown."""
        with watched(knot, tmp_path) as program:
            assert eventually(lambda: program.ear.opened("deadlock"))
            lines = dumped(program, "mermaid").splitlines()
        assert "flowchart LR" == lines[0]
        assert re.fullmatch(r"  class n\d+,n\d+,n\d+,n\d+ core", lines[-1])

    def test_names_stay_within_their_quotes(self) -> None:
        """Whatever they hold."""
        task = wire.Task("task-1", 'a"]; evil["\\', "work", "loop-1", "waiting", 1.0, on="lock-1")
        graph = graphs.graph(picture(task, resources=(wire.Resource("lock-1", "Lock", "x<b>|y", waiters=1),)))
        shown = "\n".join(graphs.dot(graph))
        assert r'label="a\"]; evil[\"\\ (work)\nwaits' in shown
        label = next(line for line in graphs.mermaid(graph) if "evil" in line)
        assert 2 == label.count('"') and 1 == label.count("]")
        assert "x#60;b#62;#124;y" in "\n".join(graphs.mermaid(graph))

    def test_who_waits_for_nobody_is_not_drawn(self, tmp_path: Path) -> None:
        """A sleeper on whom nobody waits has no part in it."""
        graph = graphs.graph(picture(wire.Task("task-1", "sleeper", "nap", "loop-1", "waiting", 1.0, "asyncio.sleep")))
        assert ({}, []) == (graph.nodes, graph.edges)


class TestTrouble:
    def test_no_such_process(self, tmp_path: Path) -> None:
        """Exit code 3 and one line."""
        tmp_path.chmod(0o700)
        pid = dead_pid()
        leave_socket(tmp_path, pid)
        result = call(tmp_path, "dump", str(pid))
        assert (NOT_THERE, f"unstuck: there is no process {pid}\n") == (result.exit_code, result.stderr)

    def test_a_process_without_the_agent(self, tmp_path: Path) -> None:
        """Exit code 3, and what to do."""
        result = call(tmp_path, "dump", str(os.getpid()))
        assert NOT_THERE == result.exit_code
        assert "does not run the agent" in result.stderr and "UNSTUCK=1" in result.stderr

    @pytest.mark.parametrize("command", [("ps",), ("dump", "1")])
    def test_a_folder_that_is_not_safe(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        """Exit code 4, and what is wrong with it."""
        tmp_path.chmod(0o777)
        result = call(tmp_path, *command)
        assert NO_ANSWER == result.exit_code and "others may write to" in result.stderr

    def test_not_all_in_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was heard is printed, and that it is not all is said."""
        unfinished = picture(wire.Task("task-1", "t", "work", "loop-1", "ready", 1.0))
        unfinished.complete = False
        monkeypatch.setattr(dumping, "find", lambda pid: None)
        monkeypatch.setattr(dumping, "look", lambda process, attach, patience: unfinished)
        result = call(tmp_path, "dump", "7")
        assert "t (work)" in result.stdout
        assert "unstuck: not complete: 1 of 2 tasks within 15 s\n" == result.stderr


class TestPs:
    def test_a_line_each(self, tmp_path: Path) -> None:
        """Tasks, loops, findings, the oldest wait for what others hold, how late the loop is."""
        with watched(knot, tmp_path) as program:
            assert program.process and eventually(lambda: program.ear.opened("deadlock"))
            result = call(tmp_path, "ps")
        head, line = result.stdout.splitlines()
        assert ["PID", "TASKS", "LOOPS", "FINDINGS", "OLDEST", "WAIT", "DELAY", "COMMAND"] == head.split()
        assert [str(os.getpid()), "11", "1", "1", "proven"] == line.split()[:5]
        assert max(map(len, (head, line))) <= 110

    def test_for_scripts(self, tmp_path: Path) -> None:
        """An array of objects with the documented fields."""
        page = (Path(__file__).parents[1] / "docs" / "socket.md").read_text(encoding="utf-8")
        with watched(knot, tmp_path) as program:
            assert program.process and eventually(lambda: program.ear.opened("deadlock"))
            (one,) = json.loads(call(tmp_path, "ps", "--json").stdout)
        assert (os.getpid(), 11, 1) == (one["pid"], one["tasks"], one["loops"])
        assert {"proven": 1, "suspected": 0, "potential": 0} == one["findings"]
        assert one["oldest_wait_s"] > 0 and one["trouble"] is None
        assert [] == sorted(name for name in one if f"`{name}`" not in page)

    def test_commands_are_short(self) -> None:
        """Without folders, and packages by their names."""
        from unstuck.tui.connection import Process

        made = picture()
        words = ("/usr/bin/python3", "/venv/lib/uvicorn/__main__.py", "app:app", "--port", "80", "a/b")
        made.greeting = wire.Greeting(wire.VERSION, "0.1.0", 7, words)
        assert table([Summary(Process(7, "x"), made)], False, 120)[1].endswith(
            "python3 -m uvicorn app:app --port 80 a/b"
        )

    def test_nobody_is_there(self, tmp_path: Path) -> None:
        """Nothing on stdout; an empty array for scripts."""
        tmp_path.chmod(0o700)
        result = call(tmp_path, "ps")
        assert (0, "") == (result.exit_code, result.stdout) and "no process of this user" in result.stderr
        assert [] == json.loads(call(tmp_path, "ps", "--json").stdout)

    def test_one_that_has_gone_meanwhile(self, tmp_path: Path) -> None:
        """Is listed with its trouble, beside the others."""
        from unstuck.tui.connection import Process

        gone = Summary(Process(7, "x"), None, "process 7 does not answer")
        _head, line = table([gone], False, 90)
        assert line.split(maxsplit=6) == ["7", "-", "-", "-", "-", "-", "process 7 does not answer"]
        assert "process 7 does not answer" == gone.as_record()["trouble"]


def test_commands_are_loaded_when_they_are_asked_for() -> None:
    """And none of them loads the screens."""
    from .children import output

    code = (
        "import sys; from unstuck.agent.cli import cli; assert 'unstuck.tui' not in sys.modules;"
        "cli(['ps', '--help'], standalone_mode=False); print('unstuck.tui' in sys.modules, 'textual' in sys.modules)"
    )
    assert output("-c", code, PYTHONPATH=os.environ.get("PYTHONPATH", "")).endswith("True False\n")


def test_their_own_loop_does_not_matter(tmp_path: Path) -> None:
    """A program with one parked task, dumped: that one."""
    with watched(park, tmp_path) as program:
        assert "1 task (0 running, 0 ready, 1 waiting), 0 open findings" in dumped(program, "text")


def picture(*tasks: wire.Task, resources: tuple[wire.Resource, ...] = ()) -> Picture:
    """A picture of these."""
    made = Picture(wire.Greeting(wire.VERSION, "0.1.0", 7))
    health = wire.Health(2, 0, 0, 2, 0.0, 0)
    loops = (wire.Loop("loop-1", "MainThread", True, len(tasks)),)
    made.apply(wire.Update(5.0, health, True, tasks=tasks, resources=resources, loops=loops))
    return made


def places(lines: list[str]) -> list[tuple[str, str]]:
    return [tuple(line.split()[0].rsplit(":", 1)) for line in lines]  # type: ignore[misc]


def fields(thing: Any, skipped: tuple[str, ...] = ("findings", "failed")) -> set[str]:
    """The names of all fields, but for those of finding records, which have a page of their own."""
    if isinstance(thing, list):
        return set().union(*map(fields, thing))
    if not isinstance(thing, dict):
        return set()
    inner = [fields(value) for name, value in thing.items() if name not in skipped]
    return set(thing).union(*inner)


def test_edges_are_those_of_the_picture() -> None:
    """A join is drawn once, though the row tells it twice."""
    first, second = (wire.Task(f"task-{n}", f"t{n}", "work", "loop-1", "waiting", 1.0) for n in (1, 2))
    maker = wire.Task("task-3", "t3", "main", "loop-1", "waiting", 1.0, on="task-1", joins=("task-1", "task-2"))
    edges = graphs.graph(picture(first, second, maker)).edges
    assert [Edge("task-3", "task-1", "joins"), Edge("task-3", "task-2", "joins")] == edges
