"""Start the live programs, drive the dashboard on them, keep its screens: ``python -m tests.gallery [FOLDER]``."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

from unstuck.tui.app import TopApp
from unstuck.tui.fleet import Fleet
from unstuck.tui.views.findings import view as findings_of

from ..apps.common import free_port
from ..piloting import Driver

ROOT = Path(__file__).parents[2]
SIZE = (110, 32)
Steps = Callable[[Driver, Path], Awaitable[None]]


def start(module: str, sockets: str, *words: str) -> subprocess.Popen[bytes]:
    """A live program with the agent, which the start-up hook of this environment switches on."""
    agent = {"UNSTUCK": "1", "UNSTUCK_SOCKET_DIR": sockets, "UNSTUCK_SINKS": "socket"}
    command = [sys.executable, "-m", f"tests.gallery.{module}", *words]
    return subprocess.Popen(command, env=os.environ | agent, cwd=ROOT)


def keep(driver: Driver, path: Path) -> None:
    """The screen as SVG, the ids of its texts without what differs from run to run."""
    svg = driver.app.export_screenshot(title="unstuck top")
    path.write_text(re.sub(r"terminal-\d+", "terminal", svg), encoding="utf-8")
    print(path)


async def found(driver: Driver) -> None:
    """A finding is there, and has been for a moment."""
    await driver.until(lambda: bool(findings_of(driver.app.scene, driver.app.dashboard.pane.ask).rows), 60)
    await asyncio.sleep(2)
    await driver.settle()


async def bank(driver: Driver, folder: Path) -> None:
    """The deadlock of two transfers."""
    await found(driver)
    keep(driver, folder / "bank-overview.svg")
    await driver.press("2")
    keep(driver, folder / "bank-finding.svg")
    await driver.press("3", "enter")
    await driver.until(lambda: "await fut" in driver.text)
    keep(driver, folder / "bank-task.svg")
    await driver.press("escape", "4")
    keep(driver, folder / "bank-waits.svg")
    await driver.press("T", "2")
    keep(driver, folder / "bank-finding-light.svg")


async def shop(driver: Driver, folder: Path) -> None:
    """The aiohttp server: under load, and after the refund that stops it."""
    port = driver.app.scene.shots[0].greeting.command[-1]
    await asyncio.sleep(4)
    await driver.press("3")
    keep(driver, folder / "shop-tasks.svg")
    await driver.press("1")
    keep(driver, folder / "shop-overview.svg")
    await asyncio.to_thread(refund, int(port))
    await driver.press("4")
    await found(driver)
    keep(driver, folder / "shop-waits.svg")
    await driver.press("5")
    keep(driver, folder / "shop-resources.svg")


def refund(port: int) -> None:
    """Ask for refunds until one of them is not answered."""
    try:
        for number in range(1000):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/refund/{number}", b"", timeout=2).close()
    except TimeoutError:
        return


async def idle(driver: Driver, folder: Path) -> None:
    """A server at night: nothing to say."""
    await asyncio.sleep(3)
    await driver.settle()
    keep(driver, folder / "idle-overview.svg")


PROGRAMS: dict[str, tuple[Steps, tuple[str, ...]]] = {
    "bank": (bank, ()),
    "checkout": (shop, ("PORT",)),
    "idle": (idle, ()),
}


async def show(module: str, steps: Steps, words: tuple[str, ...], folder: Path) -> None:
    """One program from start to end."""
    words = tuple(str(free_port()) if word == "PORT" else word for word in words)
    with tempfile.TemporaryDirectory() as sockets:
        program = start(module, sockets, *words)
        fleet = Fleet([program.pid], [sockets])
        app = TopApp(fleet)
        try:
            async with app.run_test(size=SIZE) as pilot:
                driver = Driver(app, pilot)
                await driver.until(lambda: any(shot.complete for shot in app.scene.shots), 30)
                await steps(driver, folder)
        finally:
            program.kill()
            program.wait()


def main() -> None:
    """All of them, into docs/screens or the folder that is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    for module, (steps, words) in PROGRAMS.items():
        asyncio.run(show(module, steps, words, folder))


if __name__ == "__main__":
    main()
