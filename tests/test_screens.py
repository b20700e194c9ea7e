"""Every page at both sizes looks as it is kept in ``tests/screens``; UNSTUCK_KEEP_SCREENS=1 keeps it as it is now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unstuck.tui.scene import ENDED, SILENT, Scene

from . import pictures
from .piloting import LARGE, SMALL, Driver, drive

KEPT = Path(__file__).parent / "screens"
SIZES = {"80x24": SMALL, "160x50": LARGE}
PAGES = {"1": "overview", "2": "findings", "3": "tasks", "4": "waits", "5": "resources"}
SCENES = {
    "bank": pictures.scene(pictures.bank()),
    "idle": pictures.scene(pictures.idle()),
    "crowd": pictures.scene(pictures.crowd()),
    "several": pictures.scene(
        pictures.bank(service="bank"), pictures.bank(4720, service="bank"), pictures.idle(), pictures.crowd(500)
    ),
}


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are those of one place."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def compare(name: str, text: str) -> None:
    """Compare a screen with the kept one."""
    path = KEPT / f"{name}.txt"
    shown = text.rstrip("\n") + "\n"
    if os.environ.get("UNSTUCK_KEEP_SCREENS"):
        path.write_text(shown, encoding="utf-8")
    assert path.read_text(encoding="utf-8").split("\n") == shown.split("\n")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_pages(scene: str, size: str) -> None:
    """All five pages."""

    async def steps(driver: Driver) -> None:
        for key, page in PAGES.items():
            await driver.press(key)
            compare(f"{scene}-{page}-{size}", driver.text)
        assert [] == driver.notes

    drive(SCENES[scene], steps, SIZES[size])


@pytest.mark.parametrize("size", SIZES)
def test_a_finding_and_a_task_in_full(size: str) -> None:
    """Enter opens them."""

    async def steps(driver: Driver) -> None:
        await driver.press("2", "enter")
        compare(f"bank-finding-{size}", driver.text)
        await driver.press("escape", "3", "enter")
        compare(f"bank-task-{size}", driver.text)

    drive(pictures.scene(pictures.bank(told=True)), steps, SIZES[size])


@pytest.mark.parametrize("size", SIZES)
def test_the_keys(size: str) -> None:
    """The question mark tells them, down to the last."""

    async def steps(driver: Driver) -> None:
        await driver.press("question_mark", "G")
        compare(f"keys-{size}", driver.text)
        assert "it did not happen, but could" in driver.text

    drive(SCENES["idle"], steps, SIZES[size])


@pytest.mark.parametrize("state", [ENDED, SILENT])
def test_a_process_that_is_not_live(state: str) -> None:
    """It says so, and shows what was seen last."""
    notes = {ENDED: "the process has ended", SILENT: "no news for 5 s: stopped, or something holds its interpreter"}
    shot = pictures.shot(pictures.bank(), state=state, note=notes[state])

    async def steps(driver: Driver) -> None:
        compare(f"bank-{state}-80x24", driver.text)

    drive(Scene((shot,)), steps)
