"""``unstuck doctor`` shows the settings and really tries the start-up hook."""

from __future__ import annotations

import sys

import pytest

from unstuck.agent import doctor

from .children import environment, start


def run(**extra: str) -> tuple[int, str]:
    done = start("-m", "unstuck", "doctor", **extra)
    assert "" == done.stderr
    return done.returncode, done.stdout


def test_everything_fine() -> None:
    """Exit code 0; the hook works, and costs nothing when the variable is unset."""
    code, text = run()
    assert 0 == code
    assert "WRONG" not in text
    assert "ok     UNSTUCK=1 switches the agent on" in text
    assert "ok     UNSTUCK unset: nothing of unstuck is loaded" in text


def test_settings_with_their_origin() -> None:
    """Each setting says whether it is the default or comes from the environment."""
    code, text = run(UNSTUCK_INTERVAL="250ms", UNSTUCK_DETECT="deadlock,slow-wait")
    assert 0 == code
    assert "UNSTUCK_INTERVAL = 0.25s (from the environment)" in text
    assert "UNSTUCK_DETECT = deadlock,slow-wait (from the environment)" in text
    assert "UNSTUCK_STUCK_AFTER = 30s (default)" in text


def test_bad_setting() -> None:
    """Exit code 1; the complaint is shown, and what holds instead."""
    code, text = run(UNSTUCK_INTERVAL="often", UNSTUCK_INTERVALL="1s")
    assert 1 == code
    assert "UNSTUCK_INTERVAL = 1s (default, the environment's value is bad)" in text
    assert "WRONG  UNSTUCK_INTERVAL='often': allowed is a duration" in text
    assert "WRONG  UNSTUCK_INTERVALL is not a setting of unstuck; did you mean UNSTUCK_INTERVAL?" in text


@pytest.mark.parametrize(("value", "state"), [("1", "on"), ("0", "off")])
def test_switch_is_shown(value: str, state: str) -> None:
    """Whether the agent is on in this environment is said, and is no matter of health."""
    code, text = run(UNSTUCK=value)
    assert 0 == code
    assert f"UNSTUCK = '{value}' (agent {state} here)" in text


def test_hook_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the child is not armed, doctor says where it looked and what else can be done."""
    monkeypatch.setattr(doctor, "_ARMED", "")
    monkeypatch.setattr(doctor, "start_line", lambda: None)
    examination = doctor.examine(environment())
    assert not examination.healthy
    assert "there is no unstuck.pth in " in examination.text()
    assert "use `unstuck run` or unstuck.install()" in examination.text()


def test_something_is_loaded_though_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of unstuck in a process that did not ask for it are wrong, and named."""
    monkeypatch.setattr(doctor, "_LOADED", "print('unstuck unstuck.agent')")
    examination = doctor.examine(environment())
    assert not examination.healthy
    assert "WRONG  UNSTUCK unset: unstuck unstuck.agent of unstuck is loaded" in examination.text()


def test_interpreter_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedding program without an interpreter of its own is a finding, not a crash."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    examination = doctor.examine(environment())
    assert not examination.healthy
    assert "FileNotFoundError" in examination.text()


def test_python_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that unstuck was not tested on is said to be so."""
    monkeypatch.setattr(doctor, "SUPPORTED", ((2, 7), (3, 4)))
    assert "this Python is not one of CPython 2.7 to 3.4" in doctor.examine(environment()).text()
