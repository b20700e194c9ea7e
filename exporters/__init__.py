"""Exporters: findings, waits and numbers on their way to an OpenTelemetry backend.

Laws:
- They see frozen data only (``unstuck.agent.findings``, ``unstuck.agent.snapshot``), never a task.
- Nothing of opentelemetry is imported before there is something to send, and then in a thread of its own.
- What cannot be delivered is dropped and counted; the agent's thread and the program never wait for a backend.

``names`` has every name that leaves; ``logs``, ``spans`` and ``metrics`` are pure mappings from findings and numbers to
what OpenTelemetry calls a record, a span, a measurement; ``providers`` finds the application's providers or makes our
own; ``outlet`` delivers one signal; ``engine`` is all of these together; ``sink`` is what the agent sees of it.
"""
