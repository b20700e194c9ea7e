"""``unstuck top``: the command. What it needs is imported when it is called."""

from __future__ import annotations

import os
import sys

import click

_EPILOG = """
\b
Exit codes:
  0  fine
  2  wrong usage
  3  there is no such process, or it does not run the agent
  4  it does not answer, or is another user's
"""


@click.command(epilog=_EPILOG)
@click.argument("pids", metavar="[PID]...", nargs=-1, type=click.IntRange(min=1))
@click.option("--service", metavar="NAME", help="All workers of this service together, also those that come later.")
@click.option("--light", is_flag=True, help="Dark on light. T changes it while it runs.")
@click.option("--web", is_flag=True, help="In a browser, served on this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8700, show_default=True, help="The port for --web.")
def command(pids: tuple[int, ...], service: str | None, light: bool, web: bool, port: int) -> None:
    """Watch tasks, waits, locks and findings live. Without PID: choose from a list."""
    if web:
        _serve(pids, service, light, port)
        return
    _check(pids)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise click.UsageError("this is for a terminal; `unstuck dump PID` prints one picture and leaves")
    _show(pids, service, light)


def _check(pids: tuple[int, ...]) -> None:
    """Leave with a clear word when one of them cannot be watched."""
    from .connection import Unreachable, find

    try:
        for pid in pids:
            find(pid)
    except Unreachable as wrong:
        click.echo(f"unstuck: {wrong}", err=True)
        raise SystemExit(wrong.code) from None


def _show(pids: tuple[int, ...], service: str | None, light: bool) -> None:
    from .app import TopApp
    from .fleet import Fleet

    switch_off_here()
    calm()
    TopApp(Fleet(pids, service=service), light=light).run()


def switch_off_here() -> None:
    """The dashboard is an asyncio program too; with UNSTUCK=1 it would watch itself."""
    import unstuck

    if "unstuck.agent.api" in sys.modules and unstuck.installed():
        unstuck.uninstall()


def calm() -> None:
    """Have the garbage collector look seldom: at 100,000 tasks each look stops the screen for half a second, and what a
    picture leaves behind holds no circles."""
    import gc

    gc.set_threshold(50_000, 20, 100)


def _serve(pids: tuple[int, ...], service: str | None, light: bool, port: int) -> None:
    try:
        from .web import serve
    except ImportError:
        raise click.UsageError("--web needs the package textual-serve: pip install 'unstuck[web]'") from None
    import shlex

    _check(pids)
    switch_off_here()
    words = [sys.executable, "-m", "unstuck", "top", *map(str, pids), *(["--service", service] if service else [])]
    try:
        serve(shlex.join([*words, *(["--light"] if light else [])]), port)
    except OSError as taken:
        raise click.UsageError(f"port {port} cannot be had: {taken.strerror}; choose another with --port") from None
