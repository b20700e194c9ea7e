"""Sinks: where finding events go. Each consumes ``Event``s, on the watcher's thread.

Laws:
- A sink only sees frozen data, and never raises because of where it writes to: what is lost is counted.
- A sink that cannot be opened is one complaint that names it; the others go on.
- FACTORIES is the one table of known sinks: a new sink is one more row.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from ..config import Settings
from ..findings import Event
from ..importing import somebody_imports
from ..snapshot import Vitals

Complain = Callable[[str], None]
"""Takes one sentence for the person who set the agent up."""


class Sink(Protocol):
    """Takes events, one at a time and in order, until it is closed."""

    @property
    def name(self) -> str:
        """How the sink is called in UNSTUCK_SINKS."""
        ...

    def write(self, event: Event) -> None:
        """Pass the event on, at once."""
        ...

    def close(self) -> None:
        """Say what is still to be said and let go of files. No event comes afterwards."""
        ...


@runtime_checkable
class Remote(Sink, Protocol):
    """A sink with a thread of its own, for what may take long."""

    def offer(self, vitals: Vitals) -> None:
        """The process in numbers; called about once a second."""
        ...

    def pause(self) -> None:
        """The process is about to fork: end the thread if that can be had at once. The next event begins anew."""
        ...

    def disown(self) -> None:
        """This is a forked child: let go of everything that is the parent's."""
        ...


Factory = Callable[[str, Settings, Complain], Sink]
"""Makes a sink from what follows the colon of its name; raises OSError when it cannot."""


def _stderr(_argument: str, _settings: Settings, _complain: Complain) -> Sink:
    from .stderr import StderrSink

    return StderrSink()


def _jsonl(path: str, _settings: Settings, complain: Complain) -> Sink:
    from .jsonl import JsonLinesSink

    return JsonLinesSink(path, complain)


def _socket(_argument: str, settings: Settings, _complain: Complain) -> Sink:
    from ..serving import Server

    return Server(settings)


def _otlp(_argument: str, settings: Settings, complain: Complain) -> Sink:
    # By name: the agent must not import who exports its findings, and loads it only when it is asked for.
    exporters = importlib.import_module(f"{__name__.partition('.')[0]}.exporters.sink")
    sink: Sink = exporters.OtlpSink(settings.spans, complain, somebody_imports)
    return sink


FACTORIES: dict[str, Factory] = {
    "stderr": _stderr,
    "jsonl": _jsonl,
    "otlp": _otlp,
}
if hasattr(os, "geteuid"):  # not on Windows, which has no sockets that belong to a user
    FACTORIES["socket"] = _socket


def open_sinks(settings: Settings, complain: Complain) -> list[Sink]:
    """The sinks named in the settings, in that order, without those that cannot be opened."""
    sinks = []
    for name in dict.fromkeys(settings.sinks):
        kind, _, argument = name.partition(":")
        factory = FACTORIES.get(kind)
        if factory is None:
            if name not in Settings().sinks:  # one of the default that this version lacks is nobody's mistake
                complain(f"the sink {name} is not part of this version; the other sinks go on")
            continue
        try:
            sinks.append(factory(argument, settings, complain))
        except Exception as wrong:  # noqa: BLE001 (whatever a sink needs and lacks, the others go on)
            complain(f"the sink {name} cannot be opened: {wrong}; the other sinks go on")
    return sinks
