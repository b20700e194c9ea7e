"""One picture of a process on paper: as text, as a record, as a graph."""

from __future__ import annotations

from ...agent import wire
from ...agent.sinks.places import where
from ...agent.snapshot import Place


def place(spot: wire.Spot | wire.Place) -> str:
    """``file:line``, as short as it is still clear."""
    return where(Place(spot.file, spot.line, spot.function, ""))
