"""Who exports: the resource that everything of our own providers bears.

Laws:
- What the application says of itself comes first, then ``OTEL_RESOURCE_ATTRIBUTES`` and ``OTEL_SERVICE_NAME``.
- No arguments of the command line: they may hold secrets.
"""

from __future__ import annotations

import os
import platform
import sys
import uuid
from typing import Any

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from . import names


def resource_for(theirs: Resource | None) -> Resource:
    """The application's own resource, or one from the environment; with this process's marks where it has none."""
    marks: dict[str, Any] = {
        names.PROCESS_PID: os.getpid(),
        names.PROCESS_EXECUTABLE_NAME: os.path.basename(sys.executable),
        names.PROCESS_RUNTIME_NAME: sys.implementation.name,
        names.PROCESS_RUNTIME_VERSION: platform.python_version(),
        names.SERVICE_INSTANCE_ID: str(uuid.uuid4()),
    }
    known = theirs if theirs is not None else _of_environment()
    return Resource(marks).merge(known).merge(Resource({names.PROCESS_PID: os.getpid()}))


def _of_environment() -> Resource:
    try:
        return Resource.create()
    except RuntimeError:  # it starts threads for what it asks, and at exit there are none to be had
        return Resource({names.SERVICE_NAME: "unknown_service"}).merge(OTELResourceDetector().detect())
