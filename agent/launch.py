"""Running a program as ``python`` itself would, in a process where the agent is armed.

Laws:
- The program sees what it would see without us: ``sys.argv``, ``sys.path[0]``, ``__main__``, ``__file__``.
- It ends as it would: exit codes, SystemExit and KeyboardInterrupt take the interpreter's own way out, and
  a traceback shows no frame of ours.
- The one private function used is ``runpy._run_module_as_main``, which is what ``python -m`` runs. The
  public ones take ``__main__`` away again while threads and atexit functions may still need it.
"""

from __future__ import annotations

import builtins
import os
import runpy
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: the file or folder at ``target``, or the module of that name, and its own arguments."""

    target: str
    arguments: tuple[str, ...] = ()
    is_module: bool = False

    def run(self) -> None:
        """Run it in this process, as ``__main__``. Whatever it raises is raised."""
        try:
            if self.is_module:
                self._run_module()
            elif os.path.isdir(self.target) or _is_archive(self.target):
                self._run_container()
            else:
                self._run_file()
        except BaseException as raised:
            _hide_own_frames(raised)
            raise

    def _run_file(self) -> None:
        path = os.path.abspath(self.target)
        source = _read(path)
        self._prepare(self.target, os.path.dirname(os.path.realpath(path)))
        namespace = _fresh_main(__file__=path, __loader__=SourceFileLoader("__main__", path))
        exec(compile(source, path, "exec", dont_inherit=True), namespace)

    def _run_module(self) -> None:
        self._prepare("-m", os.getcwd())
        _fresh_main()
        runpy._run_module_as_main(self.target)  # type: ignore[attr-defined]

    def _run_container(self) -> None:
        self._prepare(self.target, None)
        sys.path.insert(0, os.path.abspath(self.target))
        _fresh_main()
        runpy._run_module_as_main("__main__", alter_argv=False)  # type: ignore[attr-defined]

    def _prepare(self, name: str, folder: str | None) -> None:
        """Set ``sys.argv``, and put ``folder`` in the place of the one that the interpreter began with."""
        sys.argv[:] = [name, *self.arguments]
        if not sys.flags.safe_path:
            sys.path[:1] = [] if folder is None else [folder]


def _is_archive(path: str) -> bool:
    import zipimport  # most programs are plain files

    try:
        zipimport.zipimporter(path)
    except zipimport.ZipImportError:
        return False
    return True


def _fresh_main(**attributes: object) -> dict[str, object]:
    """A new module ``__main__`` in ``sys.modules``; its namespace."""
    module = sys.modules["__main__"] = ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, **attributes)
    return module.__dict__


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as failed:
        print(f"unstuck: can't open file {path!r}: {failed.strerror}", file=sys.stderr)
        sys.exit(2)


def _hide_own_frames(raised: BaseException) -> None:
    """Let the interpreter's last word on ``raised`` begin with the program's first frame."""
    hook, shown = sys.excepthook, _without_own(raised.__traceback__)

    def excepthook(kind: type[BaseException], value: BaseException, _trace: TracebackType | None) -> None:
        hook(kind, value.with_traceback(shown), shown)

    sys.excepthook = excepthook


def _without_own(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next
    return trace
