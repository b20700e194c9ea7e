"""The two ways out that each signal has: the application's provider, or an outlet of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .outlet import Outlet


@dataclass(frozen=True, slots=True)
class Ways:
    """What the three signals need of the engine."""

    outlet: Callable[[str], Outlet | None]
    """Where what is ours to send goes, by signal; None when it cannot be sent."""
    resource: Callable[[], Any]
    """Who we are."""
    borrow: Callable[[Any], None]
    """To be called with a provider of the application's that is used."""
    version: str
    """unstuck's."""
