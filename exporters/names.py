"""Every name that leaves for a backend: attributes, events, metrics.

Laws:
- A name that OpenTelemetry's semantic conventions have is theirs, and ``STABLE`` says which of these are stable.
- All other names begin with ``unstuck.``: they are stable as of the first release; they get added, never renamed.
- A value that may take many values (an id, a name, a line) is on records and spans only, never on a metric.
"""

from __future__ import annotations

SCOPE = "unstuck"
"""The instrumentation scope of all that is exported."""

# -- semantic conventions ------------------------------------------------------------------------------
CODE_FUNCTION = "code.function.name"
CODE_FILE = "code.file.path"
CODE_LINE = "code.line.number"
CODE_STACKTRACE = "code.stacktrace"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"
EVENT_NAME = "event.name"
"""Only where the logs API is too old to have a field for it."""
PROCESS_PID = "process.pid"
PROCESS_EXECUTABLE_NAME = "process.executable.name"
PROCESS_RUNTIME_NAME = "process.runtime.name"
PROCESS_RUNTIME_VERSION = "process.runtime.version"
SERVICE_INSTANCE_ID = "service.instance.id"
SERVICE_NAME = "service.name"

STABLE = frozenset(
    {
        CODE_FUNCTION,
        CODE_FILE,
        CODE_LINE,
        CODE_STACKTRACE,
        EXCEPTION_TYPE,
        EXCEPTION_MESSAGE,
        SERVICE_INSTANCE_ID,
        SERVICE_NAME,
    }
)
"""Stable in the semantic conventions."""
DEVELOPING = frozenset(
    {
        EVENT_NAME,
        PROCESS_PID,
        PROCESS_EXECUTABLE_NAME,
        PROCESS_RUNTIME_NAME,
        PROCESS_RUNTIME_VERSION,
    }
)
"""In the semantic conventions, but not stable there yet."""

# -- a finding -----------------------------------------------------------------------------------------
EVENT = "unstuck.finding."
"""The name of a log record's event is this and ``opened``, ``updated``, ``closed`` or ``retracted``."""
FINDING_ID = "unstuck.finding.id"
FINDING_KIND = "unstuck.finding.kind"
FINDING_VERDICT = "unstuck.finding.verdict"
FINDING_TITLE = "unstuck.finding.title"
FINDING_AGE = "unstuck.finding.age"
FINDING_VICTIMS = "unstuck.finding.victims"
FINDING_NOTE = "unstuck.finding.note"
FINDING_HELP = "unstuck.finding.help"
FINDING_RECORD = "unstuck.finding.record"
"""The whole finding record, as JSON (docs/findings/record.md)."""
FINDING_RESENT = "unstuck.finding.resent"
"""True on what is told again after an outage of the backend."""
FINDING_TASKS = "unstuck.finding.tasks"
FINDING_RESOURCES = "unstuck.finding.resources"
LOOP = "unstuck.loop"
TASK_ID = "unstuck.task.id"
TASK_NAME = "unstuck.task.name"
TASK_ROLE = "unstuck.task.role"
TASK_CORO = "unstuck.task.coroutine"
TASK_OUTCOME = "unstuck.task.outcome"
WAIT_FOR = "unstuck.wait.for"
WAIT_HELD_BY = "unstuck.wait.held_by"
WAIT_ENDED = "unstuck.wait.ended"
"""False on the span of a wait that was still going on when it was exported."""
LINK = "unstuck.link"
"""On a link between spans: ``waits_for`` (whose task holds or is what is waited for) or ``same_wait``."""
RESOURCE_TYPE = "unstuck.resource.type"

# -- metrics -------------------------------------------------------------------------------------------
TASKS = "unstuck.tasks"
TASK_STATE = "unstuck.task.state"
WAITERS = "unstuck.waiters"
WAIT_DURATION = "unstuck.wait.duration"
LOOP_DELAY = "unstuck.loop.delay"
FINDINGS = "unstuck.findings"
FINDINGS_OPENED = "unstuck.findings.opened"
FINDINGS_RETRACTED = "unstuck.findings.retracted"
AGENT_CPU = "unstuck.agent.cpu.time"
AGENT_PART = "unstuck.agent.part"
DROPPED = "unstuck.export.dropped"
SIGNAL = "unstuck.export.signal"
