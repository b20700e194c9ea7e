"""Whether somebody imports now: what is big and to be imported in a thread of the agent's waits for that to be over.

Two threads that import modules which import each other would deadlock; the interpreter prevents that by giving one of
them a module that is only half there. That must not happen to the program.
"""

from __future__ import annotations

import _thread
from types import FrameType

from .standing import current_frames

_IMPORTING = "<frozen importlib._bootstrap>"
_MOST_FRAMES = 500


def somebody_imports() -> bool:
    """Whether another thread is in the middle of an import."""
    own = _thread.get_ident()
    return any(_imports(frame) for thread, frame in current_frames().items() if thread != own)


def _imports(frame: FrameType | None) -> bool:
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return False
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
