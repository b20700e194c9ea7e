"""Which OpenTelemetry span a task works for is read from its own context, on every interpreter."""

from __future__ import annotations

import asyncio
import contextvars

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from unstuck.agent.tracing import NO_SPAN, SpanId, context_of, span_of

from .children import output

TRACER = TracerProvider().get_tracer("test")


def ids(span: trace.Span) -> SpanId:
    context = span.get_span_context()
    return SpanId(trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_when_a_task_works_for_a_span() -> None:
    """The innermost one that is current in it, whether it was made in the task or around it."""

    async def inner() -> None:
        with TRACER.start_as_current_span("outer"), TRACER.start_as_current_span("inner") as span:
            spans.append(span)
            await forever()

    async def main() -> None:
        with TRACER.start_as_current_span("request") as request:
            tasks = [asyncio.create_task(inner()), asyncio.create_task(forever())]
        tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)
        found = [span_of(task) for task in tasks]
        assert [ids(spans[0]), ids(request), NO_SPAN] == found
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert ids(request) == span_of(tasks[1])

    spans: list[trace.Span] = []
    asyncio.run(main())


def test_when_callbacks_have_contexts_of_their_own() -> None:
    """They are not the task's, whatever it waits for."""

    async def gathering() -> None:
        with TRACER.start_as_current_span("gathering") as span:
            spans.append(span)
            await asyncio.gather(forever(), asyncio.create_task(forever()))

    async def main() -> None:
        task = asyncio.create_task(gathering())
        task.add_done_callback(lambda _: None, context=contextvars.Context())
        await asyncio.sleep(0)
        task.add_done_callback(lambda _: None, context=contextvars.Context())
        assert ids(spans[0]) == span_of(task)
        task.cancel()

    spans: list[trace.Span] = []
    asyncio.run(main())


def test_when_a_task_runs() -> None:
    """Its context is found too."""

    async def main() -> None:
        with TRACER.start_as_current_span("running") as span:
            task = asyncio.current_task()
            assert ids(span) == span_of(task)
            known = context_of(task)
            assert known is not None and known.get(MARK) is None
            MARK.set("here")
            assert "here" == known.get(MARK)

    asyncio.run(main())


MARK = contextvars.ContextVar[str]("mark")


def test_when_the_span_is_of_an_unknown_make() -> None:
    """One that fails is none."""

    class Broken(trace.NonRecordingSpan):
        def get_span_context(self) -> trace.SpanContext:
            raise RuntimeError

    async def main() -> None:
        with trace.use_span(Broken(trace.INVALID_SPAN_CONTEXT)):
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            assert NO_SPAN == span_of(task)
            task.cancel()

    asyncio.run(main())


def test_when_the_program_does_not_trace() -> None:
    """Nothing of opentelemetry is loaded to find that out."""
    code = """
import asyncio, sys
from unstuck.agent.tracing import span_of
async def main():
    print(span_of(asyncio.current_task()), "opentelemetry" in sys.modules)
asyncio.run(main())
"""
    assert "SpanId(trace_id=None, span_id=None) False" == output("-c", code).strip()
