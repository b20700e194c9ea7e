"""Names that leave for a backend are an interface: known, documented, and used as they are in the files we give out."""

from __future__ import annotations

import json
import re
from pathlib import Path

from unstuck.exporters import names

DOCS = Path(__file__).parents[1] / "docs"
ALL = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
METRICS = {
    names.TASKS: "unstuck_tasks",
    names.WAITERS: "unstuck_waiters",
    names.WAIT_DURATION: "unstuck_wait_duration_seconds",
    names.LOOP_DELAY: "unstuck_loop_delay_seconds",
    names.FINDINGS: "unstuck_findings",
    names.FINDINGS_OPENED: "unstuck_findings_opened_total",
    names.FINDINGS_RETRACTED: "unstuck_findings_retracted_total",
    names.AGENT_CPU: "unstuck_agent_cpu_time_seconds_total",
    names.DROPPED: "unstuck_export_dropped_total",
}


def test_names_are_ours_or_the_conventions() -> None:
    """Whoever is neither stable nor developing there begins with our own name."""
    ours = {name for name in ALL if name.startswith("unstuck")}
    assert ours == ALL - names.STABLE - names.DEVELOPING
    assert not names.STABLE & names.DEVELOPING


def test_what_is_called_stable_is_stable() -> None:
    """The stable half of the conventions' package has it."""
    from opentelemetry.semconv.attributes import code_attributes, exception_attributes, service_attributes

    known = {
        value
        for module in (code_attributes, exception_attributes, service_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    assert set() == names.STABLE - known


def test_the_page_describes_every_metric() -> None:
    """Each stands in its table."""
    page = (DOCS / "opentelemetry.md").read_text("utf-8")
    assert [] == [name for name in METRICS if f"| `{name}` |" not in page]


def test_dashboard_and_alerts_use_metrics_that_there_are() -> None:
    """In the words that Prometheus makes of their names; and the dashboard shows all of them."""
    dashboard = (DOCS / "grafana-dashboard.json").read_text("utf-8")
    shown = " ".join(target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"])
    alerts = (DOCS / "alerts.yml").read_text("utf-8")
    attributes = {name.replace(".", "_") for name in ALL}
    used = {name.removesuffix("_bucket") for name in re.findall(r"\bunstuck_\w+", f"{shown} {alerts}")}
    assert set() == used - set(METRICS.values()) - attributes
    assert set(METRICS.values()) <= set(re.findall(r"\bunstuck_\w+", shown))
