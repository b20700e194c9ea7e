"""The command line.

Law: a command imports what it needs when it is called, so that none pays for the others.

Exit codes are part of the interface; the epilog of ``--help`` lists them.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

import click

from .. import __version__

if TYPE_CHECKING:
    from .launch import Program

_EPILOG = """
\b
Exit codes:
  0  fine
  1  something is wrong (doctor), or what was asked for is in it (report --fail-on)
  2  wrong usage, an unknown kind, a file that cannot be read
  3  there is no such process, or it does not run the agent (dump, top)
  4  it does not answer or is another user's; a socket folder that is not safe (ps, dump, top)
`run` ends with the exit code of the program it runs.
"""


_ELSEWHERE: dict[str, str] = {
    "dump": "tui.dumping:command",
    "ps": "tui.listing:command",
    "report": "tui.reporting:report",
    "top": "tui.top:command",
}
"""Commands by name that live outside the agent, as ``module:object`` within ``unstuck``. The agent must not import who
shows its findings, so these are loaded by name, and only when they are asked for."""


class _Group(click.Group):
    """The agent's own commands, and those that live elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = _ELSEWHERE[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"unstuck.{module}"), name)
        return command


@click.group(cls=_Group, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="unstuck")
def cli() -> None:
    """Who is waiting for whom in a running asyncio program, and will it ever end?"""


class _Launch(BaseException):
    """Carries a program out of click, which would take the program's exceptions for its own."""

    def __init__(self, program: Program) -> None:
        self.program = program


class _RunCommand(click.Command):
    """Whatever follows the program's name belongs to the program, as with ``python``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0].startswith("-m") and args != ["-m"]:
            end = 2 if args[0] == "-m" else 1
            args = [*args[:end], "--", *args[end:]]
        return super().parse_args(ctx, args)


@cli.command(cls=_RunCommand, context_settings={"allow_interspersed_args": False})
@click.option("-m", "module", metavar="MOD", help="Run a module, as python -m does.")
@click.argument("arguments", metavar="FILE [ARGS]...", nargs=-1, type=click.UNPROCESSED)
def run(module: str | None, arguments: tuple[str, ...]) -> None:
    """Run a program with the agent switched on, and its Python children too.

    \b
    unstuck run app.py --port 8000
    unstuck run -m package --port 8000
    """
    from .launch import Program

    if module is None and not arguments:
        raise click.UsageError("name a FILE to run, or a module with -m")
    if module is not None:
        raise _Launch(Program(module, arguments, is_module=True))
    raise _Launch(Program(arguments[0], arguments[1:]))


@cli.command()
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Show the settings in force, and whether the start-up hook works here."""
    from .doctor import examine

    examination = examine(os.environ)
    click.echo(examination.text())
    ctx.exit(0 if examination.healthy else 1)


@cli.command()
@click.argument("kind", required=False)
@click.pass_context
def explain(ctx: click.Context, kind: str | None) -> None:
    """Explain a KIND of finding; without one, list the kinds."""
    from . import explain as pages

    try:
        pages.show(pages.index() if kind is None else pages.page(kind))
    except pages.UnknownKind as unknown:
        click.echo(f"unstuck: {unknown}", err=True)
        ctx.exit(2)


def main() -> None:
    """The ``unstuck`` command."""
    try:
        cli(prog_name="unstuck")
    except _Launch as launch:
        program = launch.program
    else:
        return
    _run(program)


def _run(program: Program) -> None:
    from .autostart import arm

    os.environ["UNSTUCK"] = "1"
    arm()
    program.run()
