"""Which rows of many, and in which order: filters of words, natural order of names. No row is drawn for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a table: the column to sort by, whether the other way round, and the words to filter by."""

    sort: int = 0
    inverted: bool = False
    filter: str = ""

    def by(self, sort: int, inverted: bool) -> Ask:
        """The same in another order."""
        return replace(self, sort=sort, inverted=inverted)

    def only(self, text: str) -> Ask:
        """The same with another filter."""
        return replace(self, filter=text)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that a row must have."""
        return tuple(word for word in self.filter.lower().split() if not word.startswith("-"))

    @property
    def unwanted(self) -> tuple[str, ...]:
        """The words that it must not have, written ``-word``."""
        return tuple(word[1:] for word in self.filter.lower().split() if word.startswith("-") and len(word) > 1)


def chosen(rows: Sequence[R], ask: Ask, text: Callable[[R], str]) -> Sequence[R]:
    """The rows whose text has all the words, and none of the unwanted ones."""
    words, unwanted = ask.words, ask.unwanted
    if not words and not unwanted:
        return rows
    found = []
    for row in rows:
        low = text(row).lower()
        if all(word in low for word in words) and not any(word in low for word in unwanted):
            found.append(row)
    return found


def sorted_by(rows: Sequence[R], key: Callable[[R], Any], inverted: bool) -> list[R]:
    """The rows by that key; rows alike stay in the order of their coming, either way."""
    return sorted(rows, key=key, reverse=inverted)


def natural(name: str) -> tuple[str, int, str]:
    """A key by which Task-9 comes before Task-10."""
    head = name.rstrip("0123456789")
    digits = name[len(head) :]
    return head.lower(), len(digits), digits
