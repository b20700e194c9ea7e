"""deadlock, where threads are among the parties: found and confirmed by looking twice.

Laws:
- A thread that stands where it stood at the last look, blocked on something known, is where a look begins; while
  there is none, no frame but each thread's topmost is touched.
- A blocked loop cannot be asked to confirm, so two looks do. ``proven`` is what the strict reduction leaves of
  threads that have not spent a nanosecond of processor time from one look to the end of the next. Where that clock
  is not to be had, or where a task of a loop that turns is a party, the second look must also fit into one hold of
  the interpreter, so that nobody can have moved while it lasted.
- ``suspected`` is what only the likely reduction leaves, after ``stuck_after``.
- What moved by itself after it was told is retracted; what was ended from outside is closed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..findings import PROVEN, SUSPECTED, Finding
from ..graph import Graph, Node
from ..judge import cores, irreducible, remainder, shortest_ring
from ..state import State
from ..threads import story
from ..threads.fate import Fate
from ..threads.graph import ThreadBuilder, build
from ..threads.holders import Holders
from ..threads.reading import may_wait
from ..threads.views import KnotViews
from ..threads.world import Party, World
from ..views import loop_name
from ..waits.model import Mode
from .model import Over, Sight

KIND = "deadlock"
_PART_OF_HOLD = 0.6
"""The part of the interpreter's switch interval within which nobody can have asked for a switch, with a margin."""
_TASKS = ("task", "loop's task")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a thread stood at a look: its place, what it had spent of its processor, and since when it was there."""

    place: tuple[int, int]
    cpu: int | None
    since: float


@dataclass(frozen=True, slots=True)
class Knot:
    """A knot of this look: its keys, and the needs among what is stuck."""

    keys: set[int]
    needs: dict[int, tuple[int, ...]]
    strict: bool
    nodes: list[Node]

    @property
    def threads(self) -> list[Party]:
        """The threads in it."""
        return [node.thing for node in self.nodes if node.kind == "thread"]

    def witness(self) -> dict[int, object]:
        """Where each thread (by its identity) and each task (by its id) stands."""
        found: dict[int, object] = {party.ident: party.place for party in self.threads}
        tasks = [node.thing for node in self.nodes if node.kind in _TASKS]
        return found | {id(task): id(task._fut_waiter) for task in tasks}


@dataclass(slots=True)
class Told:
    """A finding that is open."""

    finding: Finding
    since: float
    witness: dict[int, object]
    fate: Fate

    def is_about(self, knot: Knot) -> bool:
        """Whether this is the same knot, and nobody in it has moved."""
        now = knot.witness()
        both = self.witness.keys() & now.keys()
        shared = any(party.ident in both for party in knot.threads)
        return shared and all(self.witness[key] == now[key] for key in both)


class ThreadDeadlocks:
    """Watches threads that stand still. A detector, see ``model``."""

    kind = "deadlock of threads"
    """Its own name among the parts of the agent; its findings are of the kind ``deadlock``."""
    lasting = True
    often = False

    def __init__(self, state: State) -> None:
        self.state = state
        self._holders = Holders(state)
        self._stands: dict[int, Stand] = {}
        self._told: list[Told] = []

    def look(self, sight: Sight) -> Iterator[Finding | Over]:
        """The knots of threads that are there now, and those that are no more."""
        started = _fresh_hold()
        world = World()
        standing = self._standing(world, sight.now)
        if not standing and not self._told:
            self._holders.forget()
            return
        self._holders.begin()
        builder = build(standing, world, self._holders, self.state)
        told, self._told = self._told, []
        for knot in _knots(builder.graph):
            known = next((each for each in told if each.is_about(knot)), None)
            verdict = self._verdict(knot, sight, started)
            if known is None and verdict is not None:
                known = self._open(knot, builder, sight.now, verdict, None)
            elif known is not None:
                told.remove(known)
                if verdict == PROVEN != known.finding.verdict:
                    known = self._open(knot, builder, sight.now, PROVEN, known.finding)
            if known is not None:
                self._told.append(known)
                yield replace(known.finding, age_s=sight.now - known.since)
        for each in told:
            yield Over(each.finding.subject, retracted=not each.fate.is_from_outside(world))

    def _standing(self, world: World, now: float) -> list[Party]:
        """The threads that stand where they stood at the last look, and wait for something."""
        before, self._stands = self._stands, {}
        found = []
        for party in world.parties.values():
            if not may_wait(party.frame):
                continue
            last = before.get(party.ident)
            if last is None or last.place != party.place:
                self._stands[party.ident] = Stand(party.place, party.cpu(), now)
            else:
                cpu = party.cpu()
                party.rested = last.cpu if cpu == last.cpu else None
                self._stands[party.ident] = replace(last, cpu=cpu)
                if world.wait(party).mode is not Mode.FREE:
                    found.append(party)
        return found

    def _verdict(self, knot: Knot, sight: Sight, started: float) -> str | None:
        """What may be said of the knot at this look, or None."""
        rested = all(party.rested is not None and party.cpu() == party.rested for party in knot.threads)
        whole = self._is_whole(started)
        measurable = all(party.cpu() is not None for party in knot.threads)
        turning = any(node.kind == "task" for node in knot.nodes)
        if not (rested or (whole and not measurable)) or (turning and not whole):
            return None
        if knot.strict:
            return PROVEN
        return SUSPECTED if sight.now - self._since(knot) >= sight.settings.stuck_after else None

    def _is_whole(self, started: float) -> bool:
        """Whether the look so far fits into one hold of the interpreter."""
        return not self._holders.searched and time.perf_counter() - started < _PART_OF_HOLD * sys.getswitchinterval()

    def _since(self, knot: Knot) -> float:
        return max(self._stands[party.ident].since for party in knot.threads if party.ident in self._stands)

    def _open(self, knot: Knot, builder: ThreadBuilder, now: float, verdict: str, known: Finding | None) -> Told:
        since = self._since(knot)
        witness = knot.witness()
        finding = Finding(
            kind=KIND,
            verdict=verdict,
            title="",
            age_s=now - since,
            note=story.note(verdict),
            subject=known.subject if known is not None else (self.kind, frozenset(witness)),
        )
        return Told(self._told_in_full(finding, knot, builder), since, witness, Fate(knot.nodes))

    def _told_in_full(self, finding: Finding, knot: Knot, builder: ThreadBuilder) -> Finding:
        views = KnotViews(builder, _in_order(knot, builder.graph), self.state)
        tasks, resources, edges = views.picture(finding.age_s)
        loops = [node.thing for node in knot.nodes if node.kind == "loop"]
        return replace(
            finding,
            title=story.title(knot.nodes, len(tasks)),
            loop=loop_name(loops[0]) if loops else _loop_of_a_task(knot.nodes),
            tasks=tasks,
            resources=resources,
            edges=edges,
            victims=story.behind(loops, {task.id for task in tasks}, self.state),
            help=story.help_for(knot.nodes),
        )


def _fresh_hold() -> float:
    """Hand the interpreter over and take it back, so that a whole switch interval lies ahead; the time by then."""
    time.sleep(1e-5)
    return time.perf_counter()


def _knots(graph: Graph) -> Iterator[Knot]:
    """The knots with a thread among their parties: the strict ones, and the likely ones that are no part of these."""
    seen: set[int] = set()
    for strict in (True, False):
        needs = remainder(graph, irreducible(graph, likely=not strict))
        for keys in cores(needs):
            nodes = [graph.nodes[key] for key in keys]
            if keys.isdisjoint(seen) and any(node.kind == "thread" for node in nodes):
                seen |= keys
                yield Knot(keys, needs, strict, nodes)


def _in_order(knot: Knot, graph: Graph) -> list[int]:
    """The keys of a knot: those on its shortest ring, from a thread on, then other threads, then the rest."""
    ring = shortest_ring(knot.needs, knot.keys)
    first = next((index for index, key in enumerate(ring) if graph.nodes[key].kind == "thread"), 0)
    rest = knot.keys - set(ring)
    return ring[first:] + ring[:first] + sorted(rest, key=lambda key: graph.nodes[key].kind != "thread")


def _loop_of_a_task(nodes: list[Node]) -> str:
    task = next((node.thing for node in nodes if node.kind == "task"), None)
    return loop_name(task.get_loop()) if task is not None else ""
