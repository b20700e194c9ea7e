"""The command ``unstuck report``: what happened, after the fact.

Law: an account is made of bytes, part by part, and written as it comes; nothing of it is kept.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

import click

from ..agent.findings import PROVEN, SUSPECTED
from .history import History
from .recorded import Reading

_MOST_SAID = 5


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--json", "form", flag_value="json", help="One object, for scripts (docs/report.md).")
@click.option("--html", "form", flag_value="html", help="One self-contained page.")
@click.option("--top", "form", flag_value="top", help="On the screens of unstuck top.")
@click.option("--at", metavar="TIME", help="With --top: as it was then, as 02:35:40 or with the date, in UTC.")
@click.option("-o", "--output", metavar="FILE", help="Write into FILE instead of standard output.")
@click.option(
    "--fail-on",
    type=click.Choice([PROVEN, SUSPECTED, "any"]),
    help="End with 1 when a finding of this verdict or a stronger one is in it and was not retracted.",
)
@click.pass_context
def report(
    ctx: click.Context,
    files: tuple[str, ...],
    form: str | None,
    at: str | None,
    output: str | None,
    fail_on: str | None,
) -> None:
    """Tell what happened, from files that the sink jsonl:PATH recorded.

    Several files are merged by time: the parts of a rotated log, or one file for each process. A dash is standard
    input; what gzip has compressed is read as it is.

    \b
    unstuck report findings.jsonl
    unstuck report --html -o report.html findings.jsonl*
    unstuck report --json --fail-on proven findings.jsonl > account.json
    unstuck report --top --at 02:35:40 findings.jsonl

    \b
    Exit codes:
      0  fine
      1  what --fail-on asks for is in it
      2  wrong usage, or a file that cannot be read (the others are told of)
    """
    from .recorded import read

    files = tuple(dict.fromkeys(files))
    if form == "html" and output is None and _is_terminal():
        raise click.UsageError("a page is nothing for a terminal: name a file for it with -o")
    if output is not None and any(_are_same(output, file) for file in files):
        raise click.UsageError(f"{output} is one of the files to read")
    if form == "top":
        _check_screens(files, output)
    elif at is not None:
        raise click.UsageError("--at goes with --top")
    history, reading = read(files)
    _complain(reading)
    if form == "top":
        _show(files, history, at)
    else:
        _write(_FORMS[form or "text"](history, reading, files, output is None), output)
    found = fail_on is not None and history.has(fail_on)
    ctx.exit(2 if reading.unreadable else int(found))


def _write(parts: Iterator[bytes], output: str | None) -> None:
    try:
        with _opened(output) as stream:
            stream.writelines(parts)
    except BrokenPipeError:
        raise
    except OSError as wrong:
        raise click.UsageError(f"{output or 'standard output'}: {wrong.strerror}") from None


def _check_screens(files: tuple[str, ...], output: str | None) -> None:
    if output is not None:
        raise click.UsageError("--top shows; it writes into no file")
    if not all(os.path.isfile(file) for file in files if os.path.exists(file)) or "-" in files:
        raise click.UsageError("--top reads its files twice: a pipe will not do")
    if not (_is_terminal() and sys.stdin.isatty()) and "TEXTUAL_DRIVER" not in os.environ:
        raise click.UsageError("--top is for a terminal")


def _show(files: tuple[str, ...], history: History, at: str | None) -> None:
    from .replay import replay
    from .report.words import Clock, moment

    try:
        until = None if at is None else moment(at, history)
    except ValueError:
        raise click.UsageError(f"{at!r} is no time; write 02:35:40, or 2026-11-22T02:35:40") from None
    source = replay(files, Clock.of(history), until)
    from .app import TopApp
    from .top import switch_off_here

    switch_off_here()
    TopApp(source).run()


def _text(history: History, reading: Reading, files: tuple[str, ...], to_terminal: bool) -> Iterator[bytes]:
    from ..agent.sinks.terminal import encodable, manner_of
    from .report.text import Account

    stream = sys.stdout if to_terminal else None
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for line in Account(history, reading, files, manner_of(stream)).lines():
        yield encodable(line, stream).encode(encoding, "backslashreplace") + b"\n"


def _json(history: History, reading: Reading, files: tuple[str, ...], _to_terminal: bool) -> Iterator[bytes]:
    import json

    from .report.data import object_of

    yield json.dumps(object_of(history, reading, files), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _html(history: History, reading: Reading, files: tuple[str, ...], _to_terminal: bool) -> Iterator[bytes]:
    from .report.page import page

    for part in page(history, reading, files):
        yield part.encode()


_FORMS: dict[str, Callable[[History, Reading, tuple[str, ...], bool], Iterator[bytes]]] = {
    "text": _text,
    "json": _json,
    "html": _html,
}


@contextlib.contextmanager
def _opened(output: str | None) -> Iterator[BinaryIO]:
    if output is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.flush()
    else:
        with open(output, "wb") as stream:
            yield stream


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _are_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _complain(reading: Reading) -> None:
    """Say what could not be read: a line each, of very many the first."""
    from ..agent.sinks.text import clean

    shown = reading.troubles[:_MOST_SAID]
    for trouble in (*reading.unreadable, *shown):
        click.echo(f"unstuck: {clean(str(trouble))}", err=True)
    if reading.skipped > len(shown):
        click.echo(f"unstuck: and {reading.skipped - len(shown)} more lines like these", err=True)
