"""What ``unstuck doctor`` looks at: the settings in force, this Python, and the start-up hook.

Law: the hook is not reasoned about, it is tried. A child of this very interpreter is started with the
variable set, imports asyncio, and says whether the agent is there; a second one, with the variable unset,
says whether anything of unstuck was loaded.
"""

from __future__ import annotations

import platform
import site
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from .. import __version__
from .config import KINDS, Settings

SUPPORTED = ((3, 11), (3, 15))
"""The first and the last Python version that unstuck is tested on."""
_PATIENCE = 30.0
_ARMED = """
import asyncio, sys
api = sys.modules.get("unstuck.agent.api")
if api is not None and api.installed():
    print("armed")
"""
_LOADED = """
import sys
print(*sorted(name for name in sys.modules if name.partition(".")[0] == "unstuck") or ["nothing"])
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. ``text`` says what was found."""

    healthy: bool
    text: str


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that was found."""

    settings: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.healthy for check in self.checks)

    def text(self) -> str:
        """As printed."""
        python = f"{platform.python_implementation()} {platform.python_version()}"
        head = f"unstuck {__version__}, {python}, {sys.platform}"
        marks = [f"  {'ok   ' if check.healthy else 'WRONG'}  {check.text}" for check in self.checks]
        return "\n".join([head, "", "settings", *self.settings, "", "checks", *marks])


def examine(environ: Mapping[str, str]) -> Examination:
    """Look at everything. Starts two children of this interpreter."""
    settings, complaints = Settings.from_environment(environ)
    wrong = [Check(False, complaint) for complaint in complaints]
    fine = [Check(True, "every UNSTUCK_ variable is understood")]
    return Examination(
        _settings_in_force(settings, environ, complaints),
        (*(wrong or fine), _python(), *_hook(environ)),
    )


def _settings_in_force(settings: Settings, environ: Mapping[str, str], complaints: tuple[str, ...]) -> tuple[str, ...]:
    on = environ.get("UNSTUCK", "0") not in ("", "0")
    lines = [f"  UNSTUCK = {environ.get('UNSTUCK', '')!r} (agent {'on' if on else 'off'} here)"]
    for field in fields(settings):
        variable, value = f"UNSTUCK_{field.name.upper()}", getattr(settings, field.name)
        if variable not in environ:
            origin = "default"
        elif any(complaint.startswith(f"{variable}=") for complaint in complaints):
            origin = "default, the environment's value is bad"
        else:
            origin = "from the environment"
        lines.append(f"  {variable} = {_shown(value)} ({origin})")
    return tuple(lines)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}s"
    if value == frozenset(KINDS):
        return "all"
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(value) if isinstance(value, frozenset) else value)
    return str(value)


def _python() -> Check:
    first, last = (".".join(map(str, version)) for version in SUPPORTED)
    supported = SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1] and platform.python_implementation() == "CPython"
    return Check(supported, f"this Python is {'' if supported else 'not '}one of CPython {first} to {last}")


def _hook(environ: Mapping[str, str]) -> list[Check]:
    armed = _ask(_ARMED, {**_without(environ), "UNSTUCK": "1"})
    loaded = _ask(_LOADED, _without(environ))
    return [
        _hook_works(armed),
        Check(loaded == "nothing", f"UNSTUCK unset: {loaded} of unstuck is loaded"),
    ]


def _hook_works(answer: str) -> Check:
    if answer == "armed":
        return Check(True, "UNSTUCK=1 switches the agent on in every program of this Python")
    found = start_line()
    where = f"{found} is there" if found else f"there is no unstuck.pth in {sysconfig.get_path('purelib')}"
    return Check(
        False,
        f"UNSTUCK=1 does not switch the agent on ({where}; the child said: {answer or 'nothing'}). "
        "Reinstall unstuck, or use `unstuck run` or unstuck.install()",
    )


def start_line() -> Path | None:
    """The ``unstuck.pth`` of this interpreter, if there is one."""
    folders = [sysconfig.get_path("purelib"), *site.getsitepackages(), site.getusersitepackages()]
    return next((path for folder in folders if (path := Path(folder, "unstuck.pth")).is_file()), None)


def _without(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without our variables: a child must not write where the real program would."""
    return {name: value for name, value in environ.items() if name.partition("_")[0] != "UNSTUCK"}


def _ask(code: str, environ: Mapping[str, str]) -> str:
    """What a child of this interpreter prints, or else its complaint."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", code], env=dict(environ), capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        return repr(failed)
    return child.stdout.strip() or child.stderr.strip()[-500:]
