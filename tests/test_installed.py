"""Installed packages: what is theirs is nothing the reader can change."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from unstuck.agent.installed import is_installed

from . import harness

FORGETFUL = """
import asyncio

async def work():
    await asyncio.sleep(10)

async def collected():
    await asyncio.get_running_loop().create_future()

def start(coroutine):
    asyncio.create_task(coroutine)
"""


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "lib" / "site-packages"
    (folder / "forgetful").mkdir(parents=True)
    (folder / "forgetful" / "__init__.py").write_text(FORGETFUL)
    return folder


@pytest.fixture(name="forgetful")
def _forgetful(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(folder))
    yield __import__("forgetful")
    del sys.modules["forgetful"]


def note(folder: Path, url: dict[str, Any]) -> None:
    """Let a distribution of that origin own the package."""
    info = folder / "forgetful-1.0.dist-info"
    info.mkdir()
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///srv/forgetful"} | url))
    (info / "RECORD").write_text("../../bin/forgetful,,\nforgetful/__init__.py,sha256=x/y,9\nalone.py,sha256=x/y,9\n")


def test_the_standard_library() -> None:
    """Its modules are nobody's application."""
    assert is_installed(str(asyncio.tasks.__file__))


def test_code_of_its_own() -> None:
    """A file outside the folders for packages, and code without a file."""
    assert not is_installed(__file__)
    assert not is_installed("<string>")


def test_packages(folder: Path) -> None:
    """Those in site-packages, and Debian's."""
    assert is_installed(str(folder / "forgetful" / "__init__.py"))
    assert is_installed("/usr/lib/python3/dist-packages/forgetful.py")


def test_packages_that_came_from_an_archive(folder: Path) -> None:
    """A wheel of somebody's."""
    note(folder, {"archive_info": {}})
    assert is_installed(str(folder / "forgetful" / "__init__.py"))


def test_packages_built_from_their_source(folder: Path) -> None:
    """``pip install .``: the application itself, as a package or a module; what lies beside it is not."""
    note(folder, {"dir_info": {}})
    assert not is_installed(str(folder / "forgetful" / "__init__.py"))
    assert not is_installed(str(folder / "alone.py"))
    assert is_installed(str(folder / "other" / "forgetful.py"))


def test_when_a_package_forgets_its_tasks(forgetful: Any) -> None:
    """Nothing is said: neither while it runs nor when it is cut off."""

    async def program() -> None:
        forgetful.start(forgetful.work())
        await asyncio.sleep(harness.TICK * 10)

    with harness.agent() as ear:
        harness.run_to_end(program)
    assert [] == ear.opened()


def test_when_the_application_is_installed_and_forgets_its_tasks(folder: Path, forgetful: Any) -> None:
    """It is told."""
    note(folder, {"dir_info": {}})

    async def program() -> None:
        forgetful.start(forgetful.work())
        await asyncio.sleep(10)

    with harness.agent() as ear:
        (finding,) = harness.run_until_found(program, ear, "orphan-task")
    assert ["asyncio.create_task(coroutine)"] == [task.created_at.code for task in finding.core if task.created_at]


def test_when_a_task_of_a_package_is_collected(forgetful: Any) -> None:
    """That is a fact, and worth knowing."""

    async def program() -> None:
        forgetful.start(forgetful.collected())
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0)

    with harness.agent(detect=frozenset({"orphan-task"})) as ear:
        harness.run_to_end(program)
    assert ["proven"] == [finding.verdict for finding in ear.opened()]
