"""Waits with nothing around them: the quick answer for a crowd of tasks that wait alike.

Laws:
- Bare is only a chain of plain coroutines, followed to its very end, of which none stands in a ``with`` or is of a
  function that may have set a timer, in a task that is in no scope of anyio's. No deadline can be its own then.
- What the code says about an instruction is found out once for each place, not for each task.
"""

from __future__ import annotations

import gc
from types import CoroutineType
from typing import Any

from .bytecode import is_inside
from .scopes import is_managed
from .stacks import MAX_DEPTH
from .waits.reading import table


def is_bare(task: Any) -> bool:
    """Whether nothing around the wait of a suspended task can end it, but those who await the task."""
    rows, future, current = table(), task._fut_waiter, task.get_coro()
    relevant, outside = rows.relevant, rows.outside
    for _ in range(MAX_DEPTH):
        if type(current) is not CoroutineType:
            break
        frame = current.cr_frame
        if frame is None:
            return False
        code = frame.f_code
        if id(code) in relevant or id(code) in outside or is_inside(code, frame.f_lasti):
            return False
        current = current.cr_await
    return future is not None and _is_end(current, future) and not is_managed(task)


def _is_end(end: Any, future: Any) -> bool:
    """Whether a chain that ends here awaits that future."""
    if type(end).__name__ == "FutureIter":
        return any([each is future for each in gc.get_referents(end)])
    return end is future
