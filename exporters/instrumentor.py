"""``opentelemetry-instrument python app.py`` switches the agent on, with the sink ``otlp`` beside those that are set.

Law: whoever sets ``UNSTUCK_SINKS`` has decided, and so has whoever sets ``UNSTUCK=0``.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from .. import install, uninstall

_SINKS = "UNSTUCK_SINKS"


class UnstuckInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """The entry point of the group ``opentelemetry_instrumentor``; by hand: ``UnstuckInstrumentor().instrument()``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Nothing but Python."""
        return ()

    def _instrument(self, **_kwargs: Any) -> None:
        if os.environ.get("UNSTUCK", "1") not in ("", "0"):
            os.environ.setdefault(_SINKS, "stderr,socket,otlp")  # children too
            install()

    def _uninstrument(self, **_kwargs: Any) -> None:
        uninstall()
