"""The proof that a wait can never end, whatever it waits on: nobody who could end it is left.

Theory. A suspended task is resumed when the future it awaits is done, and only who can reach that future can
do that. So look at an *island*: suspended tasks, what their frames refer to, and so on. For each object of
the island compare its reference count with the references that come from within the island. Where they
differ, somebody outside holds it: a running frame, a thread, C code, a timer, a module, a queue of the
loop. What he can reach from there is *open*; an open future may be completed, which resumes its waiters,
whose frames are then open too. This is spread to a fixpoint. A task that stays closed waits for ever. It is
the arithmetic of CPython's cyclic garbage collector ("subtract internal references", Modules/gc), applied
to what is alive but can do nothing, with suspended tasks as gates.

Laws:
- Soundness does not depend on how the island is chosen: whatever is left out counts as a holder outside. So
  ``island`` cuts freely and grows only where completeness wants it; the cost follows the island, not the heap.
- A closed island cannot be entered from outside, so what was so at one instant stays so. That instant is one
  call into C that reads all counts and all links that can change: no other thread runs in between
  (``reading``).
- Openness does not spread through a suspended task into its frames: who holds a task can cancel it, not
  complete what it waits for. Cancellation from outside is left aside, a deadline is not.
- A task that nobody holds will be collected, and its ``finally`` blocks then run: it is as good as resumed.
- A weak reference may give access again: an object that has one (not ours, not a task) is open.
- No constant is trusted: what one more reference counts is measured at each reading, and unless the self-test
  gives the right answers on this interpreter nothing is ever proven (``selftest``).
"""

from __future__ import annotations

from .closure import Proof, prove
from .island import MOST_MEMBERS
from .selftest import trusted

__all__ = ["MOST_MEMBERS", "Proof", "prove", "trusted"]
