"""What happens at interpreter start, with the variable set and unset. Each case is a process of its own."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from unstuck.agent import autostart, imports
from unstuck.agent.doctor import start_line

from .children import output, start

HEAVY = ("unstuck", "networkx", "opentelemetry", "textual", "rich", "click", "msgspec", "psutil")
AGENT = "unstuck.agent.api"
LOADED = f"""
import sys
print([name for name in sys.modules if name.partition(".")[0] in {HEAVY}])
"""
INSTALLED = """
import asyncio, sys
print(sys.modules["unstuck.agent.api"].installed())
"""


def test_start_line_is_installed() -> None:
    """The tests run where the start-up line is, in a checkout too; without it the rest would mean nothing."""
    assert start_line() is not None


@pytest.mark.parametrize("value", [{}, {"UNSTUCK": ""}, {"UNSTUCK": "0"}])
def test_variable_unset_or_zero(value: dict[str, str]) -> None:
    """Nothing of ours is loaded, nor any library that we use; nor anything by importing asyncio."""
    assert "[]\n" == output("-c", LOADED, **value)
    assert "[]\n" == output("-c", "import asyncio" + LOADED, **value)


def test_variable_unset_leaves_asyncio_alone() -> None:
    """asyncio's classes have functions from asyncio's own files only, and nobody watches imports."""
    code = """
import asyncio, sys, types
def foreign(owner):
    return [name for name, value in vars(owner).items()
            if isinstance(value, types.FunctionType) and "asyncio" not in value.__code__.co_filename]
classes = asyncio.Lock, asyncio.Semaphore, asyncio.Event, asyncio.Queue, asyncio.BaseEventLoop
print(*map(foreign, classes))
print([f for f in sys.meta_path if type(f).__module__.startswith("unstuck")])
"""
    assert "[] [] [] [] []\n[]\n" == output("-c", code)


def test_asyncio_never_imported() -> None:
    """A program that does not use asyncio does not get it from us, nor a thread."""
    code = "import sys, threading; print('asyncio' in sys.modules, threading.active_count())"
    assert "False 1\n" == output("-c", code, UNSTUCK="1")


@pytest.mark.parametrize("statement", ["import asyncio", "import asyncio.locks", "from asyncio import run"])
def test_asyncio_imported(statement: str) -> None:
    """However asyncio is imported, the agent is there right after the statement."""
    assert "True\n" == output("-c", f"{statement}\n{INSTALLED}", UNSTUCK="1")


def test_healthy_program_loads_nothing_heavy() -> None:
    """With the agent on, a healthy program still loads none of the big libraries."""
    code = "import asyncio; asyncio.run(asyncio.sleep(0.01))" + LOADED.replace("'unstuck', ", "")
    assert "[]\n" == output("-c", code, UNSTUCK="1")


def test_asyncio_is_imported_as_ever() -> None:
    """Afterwards asyncio's spec and loader are importlib's own, and nobody watches for asyncio any more."""
    code = """
import asyncio, importlib, sys
from importlib.machinery import SourceFileLoader
print(type(asyncio.__loader__) is SourceFileLoader, asyncio.__spec__.loader is asyncio.__loader__)
print([f for f in sys.meta_path if type(f).__module__.startswith("unstuck") and f.name == "asyncio"])
importlib.reload(asyncio)
print(asyncio.__spec__.name, bool(asyncio.__spec__.loader.get_source("asyncio")))
"""
    assert "True True\n[]\nasyncio True\n" == output("-c", code, UNSTUCK="1")


def test_asyncio_looked_for_but_not_imported() -> None:
    """Asking whether asyncio exists does not use the watch up, and gives a usable spec."""
    code = f"""
import importlib.util, sys
spec = importlib.util.find_spec("asyncio")
print(spec.origin.endswith("__init__.py"), bool(spec.loader.get_source("asyncio")), "asyncio" in sys.modules)
{INSTALLED}
"""
    assert "True True False\nTrue\n" == output("-c", code, UNSTUCK="1")


def test_asyncio_cannot_be_imported(tmp_path: Path) -> None:
    """A broken asyncio fails as it would without us, and stays watched for."""
    (tmp_path / "asyncio.py").write_text("raise ImportError('broken on purpose')")
    done = start("-c", "import sys; sys.path.insert(0, '.')\nimport asyncio", cwd=tmp_path, UNSTUCK="1")
    assert 1 == done.returncode
    assert done.stderr.endswith("ImportError: broken on purpose\n")


def test_armed_twice_before_asyncio() -> None:
    """Arming twice leaves one watch."""
    code = """
import sys
from unstuck.agent.autostart import arm
from unstuck.agent.imports import Finder
arm(); arm()
print(sum(isinstance(finder, Finder) for finder in sys.meta_path))
"""
    assert "1\n" == output("-c", code)


def test_armed_twice_after_asyncio() -> None:
    """Arming in a running program installs at once, and once."""
    code = """
import asyncio, sys, threading
from unstuck.agent.autostart import arm
arm(); first = asyncio.Lock.acquire
arm()
print(sys.modules["unstuck.agent.api"].installed(), asyncio.Lock.acquire is first, threading.active_count())
"""
    assert "True True 1\n" == output("-c", code)


def test_program_installs_it_too() -> None:
    """Nothing is said, whether asyncio was imported before or not."""
    assert output("-c", "import unstuck; unstuck.install(); print(unstuck.installed())", UNSTUCK="1") == "True\n"


def test_agent_cannot_be_installed() -> None:
    """One line on stderr says so, and the program goes on."""
    code = """
import sys
sys.modules["unstuck.agent.api"] = None
import asyncio
print("went on")
"""
    done = start("-c", code, UNSTUCK="1")
    assert ("went on\n", 0) == (done.stdout, done.returncode)
    (line,) = done.stderr.splitlines()
    assert line.startswith("unstuck: off in this process, it could not start: ")


def test_own_module_imported_before_asyncio() -> None:
    """The agent cannot be installed while one of its modules is half imported: what to do instead is said."""
    done = start("-c", "import unstuck.agent.findings; print('went on')", UNSTUCK="1")
    assert ("went on\n", 0) == (done.stdout, done.returncode)
    (line,) = done.stderr.splitlines()
    assert line.endswith("it could not start: import asyncio before unstuck.agent.findings")


@pytest.mark.parametrize(
    ("words", "own"),
    [
        ("/venv/bin/unstuck ps", True),
        ("-sP /venv/bin/unstuck --help", True),
        ("-m unstuck.agent top 12", True),
        ("/venv/bin/unstuck", True),
        ("/venv/bin/unstuck run app.py", False),
        ("-m unstuck.agent run -m app", False),
        ("app.py unstuck ps", False),
        ("-m app unstuck ps", False),
        ("", False),
    ],
)
def test_own_commands_are_left_alone(words: str, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """They look at others; what ``unstuck run`` runs is armed."""
    monkeypatch.setattr(sys, "orig_argv", ["python", *words.split()])
    assert autostart._is_own_command() is own


def test_stderr_is_missing() -> None:
    """Without a stderr the failure is not told, least of all on stdout."""
    code = """
import sys
sys.modules["unstuck.agent.api"] = None
sys.stderr = None
import asyncio
print("went on")
"""
    assert "went on\n" == output("-c", code, UNSTUCK="1")


def test_line_without_the_package(tmp_path: Path) -> None:
    """When the line is left over and the package is gone, programs start all the same."""
    line = start_line()
    assert line is not None
    shutil.copy(line, tmp_path)
    code = f"import site; site.addsitedir({str(tmp_path)!r}); print('went on')"
    assert "went on\n" == output("-S", "-c", code)
    done = start("-S", "-c", code, UNSTUCK="1")
    assert ("went on\n", 0) == (done.stdout, done.returncode)


@pytest.mark.parametrize("flags", [("-I",), ("-E",), ("-s",), ("-P",), ("-O",)])
def test_isolating_flags(flags: tuple[str, ...]) -> None:
    """Flags that shut out user settings do not shut out the agent."""
    assert "True\n" == output(*flags, "-c", INSTALLED, UNSTUCK="1")


def test_site_switched_off() -> None:
    """Without site there is no start-up hook and no agent."""
    assert "[]\n" == output("-S", "-c", LOADED, UNSTUCK="1")


@pytest.mark.parametrize("helper", ["resource_tracker", "forkserver"])
def test_helpers_of_multiprocessing_are_left_alone(helper: str) -> None:
    """multiprocessing's own helper processes are not armed: the agent itself is not loaded."""
    code = f"from multiprocessing.{helper} import main; import sys, asyncio; print({AGENT!r} in sys.modules)"
    assert "False\n" == output("-c", code, UNSTUCK="1")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children_of_multiprocessing_are_armed(method: str, tmp_path: Path) -> None:
    """Children run the agent, whichever way they are started."""
    program = tmp_path / "program.py"
    program.write_text(f"""
import multiprocessing, sys
def child():
    import asyncio
    print(sys.modules["unstuck.agent.api"].installed(), flush=True)
if __name__ == "__main__":
    process = multiprocessing.get_context({method!r}).Process(target=child)
    process.start()
    process.join()
    print(process.exitcode)
""")
    assert "True\n0\n" == output(str(program), UNSTUCK="1")


def test_other_imports_are_not_ours() -> None:
    """The finder answers for asyncio alone."""
    finder = imports.Finder("asyncio", lambda: None)
    assert finder.find_spec("asyncio.locks", []) is None
    assert finder.find_spec("json") is None
    spec = finder.find_spec("asyncio")
    real = importlib.util.find_spec("asyncio")
    assert spec is not None and real is not None
    assert real.origin == spec.origin
    assert finder not in sys.meta_path
