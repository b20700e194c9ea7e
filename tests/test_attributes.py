"""Reading the program's objects while it goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from types import SimpleNamespace

import pytest

from unstuck.agent import attributes


@pytest.mark.parametrize(("times", "read"), [(2, 5), (1_000, 0)])
def test_when_a_container_changes_while_it_is_read(monkeypatch: pytest.MonkeyPatch, times: int, read: int) -> None:
    """Another thread may change it after the iteration has begun: it is read anew, but not for ever."""
    container, left = set(range(3)), iter(range(times))

    def disturbed(items: Iterable[object], most: int) -> Iterator[object]:
        container.update(number + 10 for number in itertools.islice(left, 1))
        return itertools.islice(items, most)

    monkeypatch.setattr(attributes, "itertools", SimpleNamespace(islice=disturbed))
    assert read == len(attributes.items(container, 100))
