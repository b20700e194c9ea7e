"""``unstuck dump PID``: one picture of a process, for people, scripts and papers."""

from __future__ import annotations

import json
import sys

import click

from ..agent import wire
from ..agent.sinks.terminal import encodable, manner_of
from .connection import Unreachable, find, look
from .dumps import graphs, records, text
from .picture import Picture

FORMATS = ("text", "json", "dot", "mermaid")


@click.command("dump")
@click.argument("pid", type=click.IntRange(min=1))
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="What to print.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Seconds to wait for all of it."
)
@click.pass_context
def command(ctx: click.Context, pid: int, form: str, timeout: float) -> None:
    """Print what the process PID is doing: findings, tasks and where they stand, who waits for whom.

    \b
    text     findings first, then each loop's tasks as a tree, with their stacks
    json     one object (docs/socket.md)
    dot      the wait-for graph, for Graphviz
    mermaid  the same, for Markdown
    """
    try:
        picture = look(find(pid), wire.Attach(wire.VERSION, stacks=form in ("text", "json"), period=0.1), timeout)
    except Unreachable as trouble:
        click.echo(f"unstuck: {trouble}", err=True)
        ctx.exit(trouble.code)
    colour, width, is_ascii = manner_of(sys.stdout)
    click.echo(encodable(printed(picture, form, colour, width, is_ascii), sys.stdout), color=colour)
    if not picture.complete:
        whole = picture.health.tasks if picture.health is not None else "?"
        click.echo(f"unstuck: not complete: {len(picture.tasks)} of {whole} tasks within {timeout:g} s", err=True)


def printed(picture: Picture, form: str, colour: bool, width: int, is_ascii: bool) -> str:
    """The picture in one of FORMATS."""
    if form == "json":
        return json.dumps(records.document(picture), indent=2)
    if form == "text":
        return "\n".join(text.lines(picture, colour, width, is_ascii))
    graph = graphs.graph(picture)
    return "\n".join(graphs.dot(graph) if form == "dot" else graphs.mermaid(graph))
