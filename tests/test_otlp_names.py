"""Names that leave for a backend are an interface: known, documented, and used as they are in the files we give out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest

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

    known = values(code_attributes, exception_attributes, service_attributes)
    assert set() == names.STABLE - known


def test_what_is_called_developing_is_known() -> None:
    """The other half of the package has it; or the stable one, by now."""
    found = pytest.importorskip("opentelemetry.semconv._incubating.attributes.process_attributes")
    event = pytest.importorskip("opentelemetry.semconv._incubating.attributes.event_attributes")
    assert set() == names.DEVELOPING - values(found, event)


def values(*modules: ModuleType) -> set[str]:
    return {value for module in modules for value in vars(module).values() if isinstance(value, str)}


def test_names_stand_in_one_module() -> None:
    """No other spells an attribute or a metric out."""
    pattern = re.compile(r"""["'](?:unstuck|code|exception|process|service|event)\.[a-z_.]+["']""")
    folder = Path(names.__file__).parent
    others = [path for path in folder.glob("*.py") if path.name != "names.py"]
    assert {} == {path.name: found for path in others if (found := pattern.findall(path.read_text("utf-8")))}


def test_the_page_names_every_attribute() -> None:
    """Those of logs and metrics, whole or by their last words."""
    page = (DOCS / "opentelemetry.md").read_text("utf-8")
    told = set(re.findall(r"`([a-z_.]+)`", page))
    left = {names.EVENT, names.EVENT_NAME, names.SCOPE, names.FINDING_RESENT}
    assert set() == {name for name in ALL - left if name not in told and f".{name.rpartition('.')[2]}" not in told}


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
