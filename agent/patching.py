"""The only place that replaces attributes of other people's objects, and puts them back.

Laws:
- Every replacement is remembered with what stood there before, "nothing" included.
- Restoring goes backwards and leaves exactly the former state; an attribute that somebody else has
  replaced since is theirs: it is left alone and named in the answer.
"""

from __future__ import annotations

from typing import Any

_NOTHING = object()


class Patches:
    """A stack of attribute replacements."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any, Any]] = []

    def replace(self, owner: Any, name: str, new: Any) -> None:
        """Set ``owner.name`` to ``new``, remembering what ``owner`` itself (not its bases) had there."""
        old = vars(owner).get(name, _NOTHING)
        self._undo.append((owner, name, old, new))
        setattr(owner, name, new)

    def restore(self) -> list[str]:
        """Undo every replacement; return the names of attributes that somebody else replaced meanwhile."""
        foreign = []
        while self._undo:
            owner, name, old, new = self._undo.pop()
            if vars(owner).get(name, _NOTHING) is not new:
                foreign.append(f"{getattr(owner, '__name__', owner)!s}.{name}")
            elif old is _NOTHING:
                delattr(owner, name)
            else:
                setattr(owner, name, old)
        return foreign
