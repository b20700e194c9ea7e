"""What a suspended task waits for, read from its frames: a new library is a new row in a table."""

from __future__ import annotations

from .model import Mode, Wait
from .reading import future_wait, primitive_wait, wait_of

__all__ = ["Mode", "Wait", "future_wait", "primitive_wait", "wait_of"]
