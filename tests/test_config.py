"""Settings are read from the environment once, and a bad one never stops the program."""

from __future__ import annotations

import pytest

from unstuck.agent.config import KINDS, Settings, duration, variables


def read(**environ: str) -> tuple[Settings, tuple[str, ...]]:
    return Settings.from_environment(environ)


def test_empty_environment_gives_the_defaults() -> None:
    """Without any variable the documented defaults hold and nothing is complained about."""
    settings, complaints = read()
    assert () == complaints
    assert (1.0, 30.0, 5.0, 0.25) == (
        settings.interval,
        settings.stuck_after,
        settings.slow_wait_after,
        settings.blocked_loop_after,
    )
    assert ("stderr", "socket") == settings.sinks
    assert "report" == settings.on_deadlock
    assert frozenset(KINDS) == settings.detect


def test_other_variables_are_not_ours() -> None:
    """UNSTUCK itself and what does not start with UNSTUCK_ are neither settings nor complaints."""
    assert read() == read(UNSTUCK="1", PATH="/bin", UNSTUCKED="x", unstuck_interval="x")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("1s", 1),
        ("1.5s", 1.5),
        ("2m", 120),
        ("2min", 120),
        ("1h", 3600),
        ("3", 3),
        (".5 s", 0.5),
    ],
)
def test_duration_with_unit(text: str, seconds: float) -> None:
    """A duration is a number with a unit; without one it is seconds."""
    assert pytest.approx(seconds) == duration(text)


@pytest.mark.parametrize("text", ["", "s", "-1s", "0", "0ms", "1 day", "1e3", "nan", "inf", "1s2", "soon"])
def test_duration_that_is_none(text: str) -> None:
    """Whatever is not a duration above zero is refused with what is allowed."""
    with pytest.raises(ValueError, match="allowed is a duration above zero such as 250ms"):
        duration(text)


@pytest.mark.parametrize("text", ["\u0661s", "1\n2"])
def test_duration_in_foreign_digits_or_lines(text: str) -> None:
    """Odd but parsable text gives a number or the usual error, never another one."""
    try:
        assert duration(text) > 0
    except ValueError as wrong:
        assert "allowed is a duration" in str(wrong)


def test_bad_value_leaves_the_default() -> None:
    """One complaint names the variable, the value and what is allowed; other settings still count."""
    settings, complaints = read(UNSTUCK_INTERVAL="often", UNSTUCK_STUCK_AFTER="2m")
    assert 1.0 == settings.interval
    assert 120.0 == settings.stuck_after
    (complaint,) = complaints
    assert "UNSTUCK_INTERVAL='often': allowed is a duration above zero" in complaint


def test_value_with_blanks_around_it() -> None:
    """Blanks around a value are forgiven: env files have them."""
    assert 2.0 == read(UNSTUCK_INTERVAL=" 2s ")[0].interval


def test_misspelt_variable() -> None:
    """An unknown UNSTUCK_ variable is a complaint that names the nearest setting."""
    _, (complaint,) = read(UNSTUCK_INTERVALL="1s")
    assert "UNSTUCK_INTERVALL is not a setting of unstuck; did you mean UNSTUCK_INTERVAL?" == complaint


def test_unknown_variable_like_nothing_we_know() -> None:
    """Where no setting is near, all are listed."""
    _, (complaint,) = read(UNSTUCK_QQQQQQQQQQQQQQQQQQQQQQQQ="1")
    assert all(variable in complaint for variable in variables())


@pytest.mark.parametrize("value", ["report", "raise", "cancel"])
def test_on_deadlock_allowed(value: str) -> None:
    """The three ways are taken as they are written."""
    settings, complaints = read(UNSTUCK_ON_DEADLOCK=value)
    assert (value, ()) == (settings.on_deadlock, complaints)


def test_on_deadlock_unknown() -> None:
    """Another word is refused with the three that are allowed."""
    settings, (complaint,) = read(UNSTUCK_ON_DEADLOCK="explode")
    assert "report" == settings.on_deadlock
    assert "allowed is report, raise or cancel" in complaint


def test_sinks_in_order() -> None:
    """A comma list; jsonl carries a path that may hold a colon."""
    settings, complaints = read(UNSTUCK_SINKS="jsonl:/tmp/a:{pid}.jsonl, stderr")
    assert (("jsonl:/tmp/a:{pid}.jsonl", "stderr"), ()) == (settings.sinks, complaints)


def test_sinks_empty_means_none() -> None:
    """An empty list of sinks is a choice, not a mistake."""
    settings, complaints = read(UNSTUCK_SINKS="")
    assert ((), ()) == (settings.sinks, complaints)


@pytest.mark.parametrize("value", ["syslog", "jsonl", "jsonl:", "stderr,otpl", "stderr:x"])
def test_sinks_unknown_or_incomplete(value: str) -> None:
    """One bad sink in the list makes the whole list a complaint."""
    settings, complaints = read(UNSTUCK_SINKS=value)
    assert ("stderr", "socket") == settings.sinks
    assert 1 == len(complaints)


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("deadlock", {"deadlock"}),
        ("deadlock, slow-wait", {"deadlock", "slow-wait"}),
        ("all", set(KINDS)),
        ("default,-slow-wait", set(KINDS) - {"slow-wait"}),
        ("-slow-wait", set(KINDS) - {"slow-wait"}),
        ("", set()),
    ],
)
def test_detect_chooses_kinds(value: str, kinds: set[str]) -> None:
    """Kinds are named, or left out with a minus; a list of minuses starts from the default."""
    settings, complaints = read(UNSTUCK_DETECT=value)
    assert (kinds, ()) == (settings.detect, complaints)


def test_detect_unknown_kind() -> None:
    """A kind that does not exist is a complaint with those that do."""
    settings, (complaint,) = read(UNSTUCK_DETECT="deadlocks")
    assert frozenset(KINDS) == settings.detect
    assert "deadlock, stuck" in complaint


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("0", False), ("", False)])
def test_flag(value: str, allowed: bool) -> None:
    """Flags are 0 or 1."""
    assert (allowed, ()) == (read(UNSTUCK_ALLOW_ACTIONS=value)[0].allow_actions, read()[1])


def test_flag_in_other_words() -> None:
    """Anything but 0 and 1 is refused, and the careful default holds."""
    settings, complaints = read(UNSTUCK_ALLOW_ACTIONS="yes")
    assert (False, 1) == (settings.allow_actions, len(complaints))


def test_socket_dir_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime folder when there is one, else a folder of the user's own below the temp folder."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert "/run/user/7/unstuck" == read()[0].socket_dir
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert "unstuck-" in read()[0].socket_dir
    assert "/x" == read(UNSTUCK_SOCKET_DIR="/x")[0].socket_dir
