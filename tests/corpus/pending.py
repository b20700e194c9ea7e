"""What of the corpus is not as it should be yet, and why: each is a strict xfail, which fails once all is well."""

from __future__ import annotations

from . import Case

BRIEF = 0.3
"""Seconds for which what is expected to be missed gets its chance."""

KINDS = {kind: "no detector yet" for kind in ("held-by-finished", "ignored-cancel")}
_FAILED = "a failed or cancelled task keeps, by its traceback, what it should have set"
_WAKERS = "who sets, puts and notifies is not accounted for yet"
PROGRAMS = {
    "conditions.notification_goes_to_a_cancelled_waiter": _FAILED,
    "conditions.notifier_is_cancelled": _FAILED,
    "events.leader_is_cancelled_before_it_sets": _FAILED,
    "events.only_setter_ended_but_the_registry_lives": _WAKERS,
    "events.setter_fails_before_it_sets": _FAILED,
    "futures.leader_of_a_shared_call_is_cancelled": _FAILED,
    "futures.publisher_of_weak_subscribers_ended": "weakly referenced, so not proven, and nothing suspects it",
    "futures.reader_fails_with_queries_in_flight": _FAILED,
    "generators.pump_of_a_merged_stream_fails": _FAILED,
    "groups.cancelled_half_way": _FAILED,
    "groups.gather_of_gathers": "whoever joins through a shield is told as core",
    "queues.all_workers_died": _FAILED,
    "queues.producer_fails": _FAILED,
    "queues.producer_of_a_global_queue_ended": _WAKERS,
    "queues.producer_that_a_timeout_ended": _FAILED,
    "queues.worker_cancelled_between_get_and_task_done": _FAILED,
}
TWINS = {
    "futures.shield_over_a_lost_future": "a future with two callbacks is not seen to be reached by a timer",
}


def reason(case: Case) -> str:
    """Why the program is not found yet, or nothing."""
    return PROGRAMS.get(case.name) or (KINDS.get(case.kinds[0], "") if case.kinds else "")
