"""Random programs under the agent, in virtual time: nothing that was proven may ever move.

``python -m tests.fuzz --programs N --seed S``, ``make fuzz``; ``tests/test_fuzz.py`` runs a part of it.

Laws:
- hypothesis draws a program as a tree and ``render`` writes it down as Python source: what is printed when
  something fails is what ran, cut down as far as it goes.
- References are the program's own. A task refers to what its source mentions, in the way it mentions it;
  the driver keeps weak references and ids. Otherwise nothing could ever be proven, and nothing be learnt.
- Time is virtual (``clock``): when nothing is ready it jumps. The agent's watcher does not run; its steps
  are called between two callbacks of the loop, where the program says (``watch``).
- A task of a ``proven`` core that goes on is a failure, unless cancellation from outside or a release by
  other code explains it: what docs/how-it-works.md leaves aside, and no more (``excuses``). So is a retraction.
- At the end, when nothing moves any more, garbage is collected and an ``adversary`` does what any code of
  the program could still do: whatever can be reached is set, filled and emptied. Still nobody proven moves.
"""
