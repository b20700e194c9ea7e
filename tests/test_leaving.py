"""SIGTERM without the sink otlp is none of the agent's business; with it, only where nobody handles it."""

from __future__ import annotations

import signal

import pytest

import unstuck
from unstuck.agent import leaving

from . import harness


def test_when_nothing_is_exported() -> None:
    """The signal is left alone."""
    with harness.agent():
        assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


def test_when_the_agent_is_switched_off_again() -> None:
    """What was set is taken back."""
    with harness.agent(sinks=("otlp",)):
        assert leaving._end is signal.getsignal(signal.SIGTERM)
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


@pytest.mark.parametrize("theirs", [signal.SIG_IGN, lambda *_: None])
def test_when_the_program_handles_or_ignores_it(theirs: signal.Handlers) -> None:
    """That stays, before and after, whoever came first."""
    before = signal.signal(signal.SIGTERM, theirs)
    try:
        with harness.agent(sinks=("otlp",)):
            assert theirs is signal.getsignal(signal.SIGTERM)
        assert theirs is signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unstuck.install(harness.settings(sinks=("otlp",)))
        signal.signal(signal.SIGTERM, theirs)
        unstuck.uninstall()
        assert theirs is signal.getsignal(signal.SIGTERM)
    finally:
        unstuck.uninstall()
        signal.signal(signal.SIGTERM, before)


def test_when_our_handler_is_called_by_another() -> None:
    """It does nothing: the program has its own way of ending."""
    with harness.agent(sinks=("otlp",)):
        ours = signal.signal(signal.SIGTERM, lambda *_: None)
        assert callable(ours)
        ours(signal.SIGTERM, None)
        assert unstuck.installed()
        signal.signal(signal.SIGTERM, ours)
