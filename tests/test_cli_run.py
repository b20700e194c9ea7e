"""``unstuck run`` runs a program as ``python`` would, with the agent on."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .children import output, start

RUN = ("-m", "unstuck.agent", "run")
SHOW = """
import sys
print(sys.argv, __name__, __file__, sys.path[0], __package__, __spec__ and __spec__.name)
print(sys.modules["__main__"].__dict__ is globals(), type(__loader__).__name__, "__builtins__" in globals())
"""
LATE_THREAD = """
import threading, time
def late():
    time.sleep(0.1)
    print(sys.modules["__main__"].word)
threading.Thread(target=late).start()
word = "still here"
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def same_as_python(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``command`` with python and with us; everything about the ends must be the same."""
    plain, ours = start(*command, cwd=cwd), start(*RUN, *command, cwd=cwd)
    assert (plain.stdout, plain.stderr, plain.returncode) == (ours.stdout, ours.stderr, ours.returncode)
    return ours


@pytest.mark.parametrize(
    "arguments", [(), ("a", "b c", ""), ("--help",), ("--", "-x"), ("-m", "--version"), ("x", "--", "y")]
)
def test_file_with_arguments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """The program sees what python shows it; every argument after its name is its own."""
    write(tmp_path, "app.py", SHOW)
    same_as_python("app.py", *arguments, cwd=tmp_path)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("--", "-x"), ("run", "-m", "x")])
def test_module_with_arguments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """-m runs a module, and what follows its name is its own."""
    write(tmp_path, "app.py", SHOW)
    same_as_python("-m", "app", *arguments, cwd=tmp_path)
    same_as_python("-mapp", *arguments, cwd=tmp_path)


def test_package_with_main(tmp_path: Path) -> None:
    """-m runs a package's __main__, and its relative imports work."""
    write(tmp_path, "pkg/__init__.py", "")
    write(tmp_path, "pkg/other.py", "word = 'imported'")
    write(tmp_path, "pkg/__main__.py", SHOW + "from .other import word; print(word)")
    assert "imported" in same_as_python("-m", "pkg", "x", cwd=tmp_path).stdout


def test_file_in_another_folder(tmp_path: Path) -> None:
    """The first place on sys.path is the file's folder, and its neighbours can be imported."""
    write(tmp_path, "deep/neighbour.py", "word = 'imported'")
    write(tmp_path, "deep/app.py", SHOW + "import neighbour; print(neighbour.word)")
    assert "imported" in same_as_python("deep/app.py", cwd=tmp_path).stdout


def test_file_behind_a_link(tmp_path: Path) -> None:
    """A linked file finds the neighbours of the real one."""
    real = write(tmp_path, "deep/app.py", SHOW)
    (tmp_path / "link.py").symlink_to(real)
    same_as_python("link.py", cwd=tmp_path)


def test_folder_and_archive(tmp_path: Path) -> None:
    """A folder or a zip file with a __main__.py is a program too."""
    main = write(tmp_path, "folder/__main__.py", SHOW)
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.write(main, "__main__.py")
    same_as_python("folder", "x", cwd=tmp_path)
    same_as_python("app.pyz", "x", cwd=tmp_path)


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit()",
        "sys.exit(3)",
        "sys.exit('a message')",
        "raise SystemExit(None)",
        "raise KeyboardInterrupt",
        "import atexit; atexit.register(print, 'at exit'); sys.exit(4)",
        LATE_THREAD,
    ],
)
def test_endings(tmp_path: Path, ending: str) -> None:
    """Exit codes, messages, and what still runs at the end are as with python."""
    write(tmp_path, "app.py", f"import sys\n{ending}\n")
    same_as_python("app.py", cwd=tmp_path)


@pytest.mark.parametrize(
    "failure",
    [
        "def f():\n    raise ValueError('from f')\nf()",
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise RuntimeError('wrapped') from e",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    undefined",
        "raise ExceptionGroup('several', [ValueError(1), KeyError(2)])",
        "def f(:\n",
        "import sys\nsys.excepthook = lambda kind, error, trace: print(error, trace.tb_lineno)\n1 / 0",
        "import asyncio\nasync def main():\n    raise OSError('inside a task')\nasyncio.run(main())",
    ],
)
def test_uncaught_exception(tmp_path: Path, failure: str) -> None:
    """The traceback is python's own: it begins in the program and shows no frame of ours."""
    write(tmp_path, "app.py", failure + "\n")
    ended = same_as_python("app.py", cwd=tmp_path)
    assert 1 == ended.returncode
    assert "unstuck" not in ended.stderr
    same_as_python("-m", "app", cwd=tmp_path)


def test_agent_is_on(tmp_path: Path) -> None:
    """The program runs with the agent, and so do the Python programs that it starts."""
    ask = "import asyncio, sys; print(sys.modules['unstuck.agent.api'].installed(), flush=True)"
    write(
        tmp_path,
        "app.py",
        f"{ask}\nimport subprocess\nsubprocess.run([sys.executable, '-c', {ask!r}], check=True)",
    )
    assert "True\nTrue\n" == output(*RUN, "app.py", cwd=tmp_path)


def test_program_without_asyncio(tmp_path: Path) -> None:
    """A program that does not use asyncio does not get it from us."""
    write(tmp_path, "app.py", "import sys; print('asyncio' in sys.modules)")
    assert "False\n" == output(*RUN, "app.py", cwd=tmp_path)


def test_missing_file(tmp_path: Path) -> None:
    """One line names the file; the exit code is python's 2."""
    done = start(*RUN, "nowhere.py", cwd=tmp_path)
    assert 2 == done.returncode
    assert f"unstuck: can't open file '{tmp_path}/nowhere.py': No such file or directory\n" == done.stderr


def test_missing_module(tmp_path: Path) -> None:
    """python's own words."""
    assert "No module named nowhere" in same_as_python("-m", "nowhere", cwd=tmp_path).stderr


@pytest.mark.parametrize("arguments", [(), ("-m",), ("--wrong", "app.py")])
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    """Nothing to run, or an option we do not know: an error, and exit code 2."""
    done = start(*RUN, *arguments)
    assert 2 == done.returncode
    assert "Error: " in done.stderr


def test_other_ways_to_the_command_line() -> None:
    """The console script, ``python -m unstuck`` and ``python -m unstuck.agent`` are the same."""
    script = Path(sys.executable).with_name("unstuck")
    ways = [("-m", "unstuck"), ("-m", "unstuck.agent"), (str(script),)]
    assert {"unstuck, version 0.1.0\n"} == {output(*way, "--version") for way in ways}


def test_help_tells_the_exit_codes() -> None:
    """Scripts can rely on what --help says."""
    assert "Exit codes:\n    0  fine\n    1  something is wrong" in output("-m", "unstuck", "--help")
