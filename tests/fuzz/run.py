"""Running one program to its end, or until nothing can move it any more."""

from __future__ import annotations

import _thread
import asyncio
import concurrent.futures
import contextlib
import functools
import gc
import itertools
import socket
import sys
import time
import types
import weakref
from collections import Counter
from typing import Any

from unstuck.agent.findings import PROVEN, SUSPECTED
from unstuck.agent.views import task_id

from . import adversary, kit
from .clock import VirtualLoop
from .excuses import in_circle
from .render import Program
from .watch import FILE, STUCK_AFTER, Watch


class Run:
    """One program, running. Its public methods are what the program calls, beside the kit."""

    def __init__(self, program: Program, watch: Watch) -> None:
        self.program, self.watch = program, watch
        self.loop = VirtualLoop(self._between, self._idle, self._settled)
        self.failures: list[str] = []
        self.notes: Counter[str] = Counter()
        self.over = False
        self.acts: list[Any] = []
        self.phase, self.threads = 0, _thread._count()

    # -- called by the program

    def spawn(self, coro: Any, kept: bool) -> Any:
        task = self.loop.create_task(coro)
        if kept:
            self.names["KEPT"].add(task)
        return task

    def kill(self, ref: Any) -> None:
        self.kill_it(ref.task)

    def kill_it(self, task: Any) -> None:
        if isinstance(task, asyncio.Task) and not task.done() and not self.over and not in_circle(task):
            self.watch.log.mark(task)
            task.cancel()

    def give(self, resource: Any) -> None:
        self.watch.log.give(resource)
        with contextlib.suppress(RuntimeError, ValueError):
            resource.release()

    def bare(self, resource: Any) -> None:
        self.watch.log.take_barely(resource)

    def on_thread(self, delay: float, act: Any) -> None:
        _thread.start_new_thread(wait_and_act, (self.loop.gate(delay), self.loop, [act]))

    def on_executor(self, delay: float, act: Any) -> None:
        self.loop.run_in_executor(None, wait_and_act, self.loop.gate(delay), self.loop, [act])

    def in_executor(self, delay: float, thing: Any) -> Any:
        return self.loop.run_in_executor(None, wait_with, self.loop.gate(delay), thing)

    def foreign(self, delay: float) -> Any:
        """A future of a thread's own, which nobody else keeps."""
        future = concurrent.futures.Future[Any]()
        _thread.start_new_thread(wait_and_set, (self.loop.gate(delay), [future]))
        return future

    def waiting(self, delay: float) -> Any:
        return functools.partial(wait_with, self.loop.gate(delay))

    def on_readable(self, delay: float, act: Any) -> None:
        here, there = socket.socketpair()
        self.loop.add_reader(here, self._readable, here, act)
        self.loop.call_later(delay, there.close)

    def _readable(self, here: Any, act: Any) -> None:
        self.loop.remove_reader(here)
        here.close()
        act()

    # -- the run

    def to_end(self) -> None:
        """Run it; what went wrong stands in ``failures``."""
        self.names = self._namespace()
        exec(compile(self.program.source, FILE, "exec"), self.names)
        self.watch.begin(lambda: self.loop.rounds, self.loop)
        self.loop.set_exception_handler(self._complain)
        if self.program.eager and sys.version_info >= (3, 12):
            self.loop.set_task_factory(asyncio.eager_task_factory)
        self.loop.call_soon(self.names["start"], self.spawn)
        try:
            self.loop.run_forever()
        finally:
            self._clear()
        self.failures += self.watch.failures
        self.notes.update(self.watch.notes)

    def _namespace(self) -> dict[str, Any]:
        own = ("kill", "kill_it", "give", "bare", "on_thread", "on_executor", "in_executor", "on_readable", "foreign")
        names = {name: value for name, value in vars(kit).items() if not name.startswith("_")}
        names |= {name: getattr(self, name) for name in (*own, "waiting")}
        names |= {"loop": asyncio.get_running_loop, "WEAK": weakref.WeakValueDictionary(), "REG": [], "KEPT": set()}
        names["itertools"] = itertools
        names |= {"asyncio": asyncio, "contextlib": contextlib, "functools": functools, "gc": gc, "weakref": weakref}
        return names | {"NS": names, "__name__": "fuzzed_program"}

    def _between(self) -> None:
        self.watch.check()
        if self.loop.rounds % self.program.pace == 0:
            self.watch.look()

    def _idle(self) -> bool:
        self.watch.check()
        for _ in range(self.program.looks):
            self.watch.look()
        if self.program.collects:
            gc.collect()
        return False

    def _settled(self) -> bool:
        """Nothing is to come: look, collect garbage, let the adversary act. Whether to go on."""
        self.phase += 1
        if self.phase == 1:
            self._look_later()
            gc.collect()
        elif self.phase == 2:
            self._look_later()
            self._count()
            self.watch.undisturbed = False
            self.notes["reached"] += adversary.poke(self._globals())
        elif self.phase == 3:
            adversary.release(self._globals(), self.give)
        else:
            self._count_beyond_reach()
            return False
        return True

    def _look_later(self) -> None:
        """Twice, when what has not moved is old enough to be suspected."""
        for _ in range(2):
            self.watch.look()
            self.loop.now += STUCK_AFTER

    def _globals(self) -> list[Any]:
        known = {
            *vars(kit),
            "NS",
            "KEPT",
            "loop",
            "asyncio",
            "contextlib",
            "functools",
            "gc",
            "weakref",
            "start",
            "itertools",
        }
        mine = [value for name, value in self.names.items() if name not in known]
        return [each for each in mine if not isinstance(getattr(each, "__self__", None), Run) and not is_code(each)]

    def _count(self) -> None:
        hung = {task_id(task) for task in asyncio.all_tasks(self.loop)}
        proven, suspected = (self.watch.said[verdict] for verdict in (PROVEN, SUSPECTED))
        self.notes["programs"] += 1
        self.notes["hung" if hung else "ended"] += 1
        self.notes["proven"] += bool(proven)
        self.notes["suspected"] += bool(suspected)
        self.notes["hung and told"] += bool(hung & (proven | suspected))
        self.notes["tasks hung"] += len(hung)
        self.notes["tasks told proven"] += len(hung & proven)
        self.notes["tasks told suspected"] += len(hung & suspected - proven)

    def _count_beyond_reach(self) -> None:
        """Whom not even the adversary has moved."""
        left = {task_id(task) for task in asyncio.all_tasks(self.loop)}
        self.notes["beyond reach"] += len(left)
        self.notes["beyond reach and proven"] += len(left & self.watch.said[PROVEN])
        self.notes["programs with one beyond reach that is not told"] += bool(
            left - self.watch.said[PROVEN] - self.watch.said[SUSPECTED]
        )

    def _complain(self, _loop: Any, context: Any) -> None:
        error = context.get("exception")
        if "destroyed" in context.get("message", ""):  # by the collector, for nobody refers to it
            self.watch.log.destroy(context["task"])
        if error is not None and (where := blamed(error)):
            self.failures.append(f"broken: {error!r} at {where}")

    def _clear(self) -> None:
        """Drop all of it, and let go whatever waits."""
        self.over = True
        self.loop.open_all()
        executor = self.loop._default_executor  # type: ignore[attr-defined]
        if executor is not None:
            executor.shutdown(wait=True)
        while _thread._count() > self.threads:
            time.sleep(0.0001)
        self.names.clear()
        self.loop.close()
        self.loop._ready.clear()  # type: ignore[attr-defined]
        self.loop._scheduled.clear()  # type: ignore[attr-defined]
        weakref.finalize._registry.clear()  # type: ignore[attr-defined]


def wait_and_act(gate: Any, loop: Any, box: list[Any]) -> None:
    """In a thread: hold something, and act in the loop when it is time."""
    act = box.pop()
    gate.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(act)


def wait_and_set(gate: Any, box: list[Any]) -> None:
    """In a thread: set a future of its own."""
    future = box.pop()
    gate.wait()
    with contextlib.suppress(RuntimeError):  # the loop is closed
        future.set_result(None)


def wait_with(gate: Any, thing: Any) -> Any:
    """In a thread: hold something for a while."""
    gate.wait()
    return thing


def is_code(thing: Any) -> bool:
    """Whether this is one of the program's own coroutine functions, which nobody calls once more."""
    return isinstance(thing, types.FunctionType) and thing.__code__.co_filename == FILE and not thing.__closure__


def blamed(error: BaseException) -> str:
    """Where in the agent's own code an exception comes from, if it does."""
    tb = error.__traceback__
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    if tb is None or ".agent." not in str(tb.tb_frame.f_globals.get("__name__")):
        return ""
    return f"{tb.tb_frame.f_code.co_qualname}:{tb.tb_lineno}"
