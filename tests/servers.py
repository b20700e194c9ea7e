"""Real servers for tests, from Debian's packages: each on a port of its own on loopback, gone when the test is.

``None`` is what a starter gives where the server is not installed.
"""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .apps.common import free_port

_PATIENCE = 30.0


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """A Redis that keeps nothing; its URL."""
    server = shutil.which("redis-server")
    if server is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder]
        with _running(command, lambda: _answers(["redis-cli", "-p", str(port), "ping"])):
            yield f"redis://127.0.0.1:{port}"


@contextlib.contextmanager
def postgres() -> Iterator[str | None]:
    """A PostgreSQL with an empty database, run by an unprivileged user; its URL."""
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not programs:
        yield None
        return
    folder, port, who = Path(tempfile.mkdtemp()), free_port(), _unprivileged()
    try:
        if who:
            shutil.chown(folder, who["user"])
        home, data = Path(programs[-1]).parent, str(folder / "data")
        make = [programs[-1], "--no-sync", "--auth=trust", "--username=app", "--no-locale", "--encoding=UTF8", data]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/", **who)
        given = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        options = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        command = [str(home / "postgres"), "-D", data, "-p", str(port), *options]
        ready = [str(home / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        with _running(command, lambda: _answers(ready), **who):
            yield f"postgresql://app@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> dict[str, Any]:
    """Whom to run as: PostgreSQL refuses to be root."""
    if os.getuid() != 0:
        return {}
    user = next(each for each in pwd.getpwall() if each.pw_name in ("postgres", "nobody"))
    return {"user": user.pw_name, "group": user.pw_gid, "extra_groups": []}


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


@contextlib.contextmanager
def _running(command: list[str], answers: Callable[[], bool], **options: Any) -> Iterator[None]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **options)
    try:
        end = time.monotonic() + _PATIENCE
        while not answers():
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{command[0]} does not start")
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(_PATIENCE)
