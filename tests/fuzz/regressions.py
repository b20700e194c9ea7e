"""Programs that the fuzzer found and that were once judged wrongly, by the name of what was wrong."""

from __future__ import annotations

from .render import Program

WAIT_FOR_IS_ABOUT_TO_CANCEL = """\
async def f3(L0):
    async with L0:
        async with L0:
            await asyncio.sleep(1)
async def task1(L0):
    await asyncio.wait_for(f3(L0), 1)
def start(spawn):
    L0 = asyncio.Lock()
    spawn(task1(L0), True)
"""
"""3.11: the timer has fired, and the task that will cancel the inner one has yet to run."""

COLLECTED = """\
async def f4(L0):
    async with L0:
        await asyncio.sleep(1)
async def task1(L0):
    async with L0:
        await asyncio.create_task(f4(L0))
def start(spawn):
    L0 = asyncio.Lock()
    spawn(task1(L0), False)
"""
"""Nobody refers to the tasks: the collector closes one, which releases its lock and so wakes the other."""

JOB_OF_A_THREAD = """\
async def task1(E0):
    await in_executor(1, E0)
def start(spawn):
    E0 = asyncio.Event()
    spawn(task1(E0), True)
"""
"""A future with two callbacks keeps them in a list: nobody was seen to be woken by it."""

CHILD_FAILS = """\
async def f3():
    async with asyncio.timeout(1):
        await asyncio.sleep(2)
async def task1(E0):
    async with asyncio.TaskGroup() as g2:
        g2.create_task(f3())
        await E0.wait()
def start(spawn):
    E0 = asyncio.Event()
    spawn(task1(E0), True)
"""
"""A child of the group whose body waits for ever may fail, and then cancels the body."""

KEEPS_ITSELF = """\
async def task1(E0, F0, r1):
    try:
        await F0
    finally:
        E0.set()
async def task2(E0):
    await E0.wait()
def start(spawn):
    E0 = asyncio.Event()
    F0 = loop().create_future()
    r1 = Ref()
    r1.task = spawn(task1(E0, F0, r1), False)
    spawn(task2(E0), True)
"""
"""Nobody refers to the first task but an object that it alone refers to: the collector closes it all the same."""

GENERATOR_IN_GARBAGE = """\
async def task1(E0, F0):
    g = once(E0.set)
    next(g)
    await F0
async def task2(E0):
    await E0.wait()
def start(spawn):
    E0 = asyncio.Event()
    F0 = loop().create_future()
    spawn(task1(E0, F0), False)
    spawn(task2(E0), True)
"""
"""Nobody refers to the first task: the collector closes its generator, whose ``finally`` sets the event."""

STREAM_IN_GARBAGE = GENERATOR_IN_GARBAGE.replace("once", "stream").replace("next", "await anext")

FINALIZER_IN_GARBAGE = """\
async def task1(F0, b):
    await F0
async def task2(E0, b):
    await E0.wait()
    nothing(b)
def start(spawn):
    E0 = asyncio.Event()
    F0 = loop().create_future()
    b = Bomb(E0.set)
    spawn(task1(F0, b), False)
    spawn(task2(E0, b), False)
    spawn(task2(E0, None), True)
"""
"""The same with a ``__del__``."""

CALLBACK_OF_GARBAGE = """\
async def task1(F0, b):
    await F0
async def task2(E0, w):
    await E0.wait()
    nothing(w)
def start(spawn):
    E0 = asyncio.Event()
    F0 = loop().create_future()
    b = Obj()
    spawn(task2(E0, weakref.ref(b, ignoring(E0.set))), True)
    spawn(task1(F0, b), False)
"""
"""The same with the callback of a weak reference, which somebody else has."""

TAG = """\
async def task1(F0, k):
    await F0
    nothing(k)
async def task2(E0):
    asyncio.current_task().tag = E0
    await E0.wait()
async def task3():
    await asyncio.sleep(5)
    nudge()
def start(spawn):
    E0 = asyncio.Event()
    F0 = loop().create_future()
    spawn(task1(F0, spawn(task2(E0), False)), True)
    spawn(task3(), True)
"""
"""A task's attributes can be reached by whoever lists all tasks."""

SLOT = """\
class Kept(asyncio.Task):
    __slots__ = ("tag",)
async def task1(E0):
    asyncio.current_task().tag = E0
    await E0.wait()
async def task2(k):
    await asyncio.sleep(5)
    k.tag.set()
def start(spawn):
    E0 = asyncio.Event()
    spawn(task2(Kept(task1(E0), loop=loop())), True)
"""
"""A slot of a task's own class is an attribute too."""

DICT = SLOT.replace('__slots__ = ("tag",)', "pass")

UNTOUCHABLE = """\
async def task1(E0):
    x = Touchy(E0)
    REG.append(Touchy(E0))
    loop().call_later(5, nothing, Touchy(E0))
    async with asyncio.timeout(20):
        await E0.wait()
async def task2(L0, E0):
    REG.append(weakref.proxy(Box()))
    x = Touchy(E0)
    async with L0:
        async with L0:
            pass
def start(spawn):
    E0 = asyncio.Event()
    L0 = asyncio.Lock()
    spawn(task1(E0), True)
    spawn(task2(L0, E0), True)
"""
"""isinstance() asks a lazy proxy, or a dead weak one, what it stands for: that runs code, and fails."""

FRESH = """\
async def task3():
    await asyncio.sleep(1)
async def task2(F0):
    await asyncio.create_task(task3())
    loop().call_later(1, functools.partial(finish, F0))
async def task1(F0):
    asyncio.create_task(task2(F0))
    await F0
def start(spawn):
    spawn(task1(loop().create_future()), True)
"""
"""A task that has not begun yet will end, and wake whoever awaits it."""

DISPLACED = """\
async def task1(L0):
    async with L0:
        await asyncio.sleep(6)
async def task2(L0):
    await asyncio.sleep(1)
    async with L0:
        await asyncio.sleep(10)
async def task3(L0):
    await asyncio.sleep(2)
    async with L0:
        async with L0:
            pass
async def task4(L0):
    await asyncio.sleep(3)
    give(L0)
def start(spawn):
    L0 = asyncio.Lock()
    spawn(task1(L0), True)
    spawn(task2(L0), True)
    spawn(task3(L0), True)
    spawn(task4(L0), True)
"""
"""Whose block ends after somebody gave its lock away gives the next one's hold away, and so on down the row."""

SELF_INFLICTED = """\
async def task1(r0, r1):
    await asyncio.sleep(4)
    kill(r0)
    await r1.task
async def task2(E0):
    await E0.wait()
def start(spawn):
    r0 = Ref()
    r1 = Ref()
    E0 = asyncio.Event()
    r0.task = spawn(task1(r0, r1), True)
    r1.task = spawn(task2(E0), True)
"""
"""Who cancels itself cancels what it awaits next: a cancellation on purpose, handed down later than it was made."""

PROGRAMS = {
    name.lower(): Program(source, pace=1, looks=2, eager=False, collects=False)
    for name, source in list(globals().items())
    if name.isupper() and isinstance(source, str) and not name.startswith("_")
}
