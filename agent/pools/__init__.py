"""Connection pools of known libraries: who waits for a connection, and which tasks have those that are out.

Laws:
- No library is imported from here; one that the program has not loaded costs a look at ``sys.modules``.
- A pool stands in the graph as a ``ConnectionPool`` of ours, for not all of them can be referred to weakly.
- Nothing is noted when a connection is taken or given back. Who has one is read from the frames of the tasks, when
  somebody has waited for long: ``search``. It is never sure, so no proof rests on it.
"""

from .handle import ConnectionPool, Holder, at, handle_of
from .rows import LIBRARIES, Library, waited_for
from .search import refresh

__all__ = ["LIBRARIES", "ConnectionPool", "Holder", "Library", "at", "handle_of", "refresh", "waited_for"]
