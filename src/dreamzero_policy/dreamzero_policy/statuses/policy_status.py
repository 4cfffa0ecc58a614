"""What the policy node counts, and the status message that it makes of it."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import Any

from dreamzero_msgs import msg as dz

from dreamzero_policy.inference.engine import Inference
from dreamzero_policy.inference.session import Session
from dreamzero_policy.inference.worker import WorkerStatistics
from dreamzero_policy.messages.times import duration_message, time_message
from dreamzero_policy.types import NS_PER_S


class PolicyRecord:
    """Counts of one session and figures of its last call.

    Args:
        policy_id: which policy process.
        session_id: which session; 0 before the first.

    Attributes:
        session_id: the same.
        failures: calls in a row that raised.
        remark: why the newest chunk was not held to the one before although it should have been;
            empty where it was.
    """

    def __init__(self, policy_id: int, session_id: int = 0) -> None:
        self.session_id = session_id
        self.failures = 0
        self.remark = ""
        self._policy_id = policy_id
        self._delay_ns = 0
        self._remarked: set[str] = set()
        self._chunks = self._replans = self._refreshes = self._blocks = self._frames = 0
        self._resets: Counter[str] = Counter()
        self._last_reset = ""
        self._evaluations: Counter[int] = Counter()
        self._divergence = (math.nan, math.nan)
        self._last: Inference | None = None
        self._canvas_age_ns = self._latency_ns = 0

    def note(self, session: Session, inference: Inference, published_ns: int) -> bool:
        """Takes the figures of a call whose chunk was published.

        Args:
            session: after the call.
            inference: what it gave.
            published_ns: ROS time just after the chunk was published.

        Returns:
            Whether ``remark`` gives a reason for the first time in this session.
        """
        self.failures = 0
        self._chunks += 1
        self._replans += inference.kind == "lookahead"
        if inference.reset_reason is not None:
            self._last_reset = str(inference.reset_reason)
            self._resets[self._last_reset] += 1
        else:
            self._refreshes += session.blocks - self._blocks
        self._blocks = session.blocks
        self._evaluations[inference.evaluations] += 1
        self._divergence = inference.divergence or self._divergence
        self._frames = session.window.frames if session.window is not None else 0
        self._last = inference
        self._latency_ns = round(inference.stages["total"] * NS_PER_S)
        self._canvas_age_ns = published_ns - self._latency_ns - inference.chunk.observation_ns
        self._delay_ns = round((session.delay.seconds or 0.0) * NS_PER_S)
        loose = inference.loose
        self.remark = f"real-time chunking holds no row: {loose.text}" if loose else ""
        first = loose is not None and loose.reason not in self._remarked
        if first:
            self._remarked.add(loose.reason)
        return first

    def message(
        self,
        *,
        state: int,
        text: str,
        weights: str,
        untrained: bool,
        prompt: str,
        work: WorkerStatistics | None,
        ranks: int,
        transit_ns: int | None,
        now_ns: int,
    ) -> dz.PolicyStatus:
        """The status now.

        Args:
            state: a constant of PolicyStatus.
            text: one line for a person.
            weights: which weights run.
            untrained: whether they are random.
            prompt: the instruction in force, empty for none.
            work: of the worker; None before there is one.
            ranks: processes that share the model.
            transit_ns: least time that the controller's statuses took; None where none came.
            now_ns: ROS time.
        """
        last = self._last
        message = dz.PolicyStatus(
            state=state,
            message=text,
            weights=weights,
            untrained=untrained,
            prompt=prompt,
            policy_id=self._policy_id,
            session_id=self.session_id,
            sequence=last.chunk.sequence if last else 0,
            frame_index=self._frames,
            chunks=self._chunks,
            replans=self._replans,
            kv_refreshes=self._refreshes,
            resets=self._resets.total(),
            last_reset_reason=self._last_reset,
            reset_reasons=list(self._resets),
            reset_counts=array("I", self._resets.values()),
            evaluations=last.evaluations if last else 0,
            evaluation_numbers=array("I", self._evaluations),
            evaluation_counts=array("I", self._evaluations.values()),
            divergence=self._divergence[0],
            divergence_still=self._divergence[1],
            canvas_age=duration_message(self._canvas_age_ns),
            prefix_rows=last.chunk.prefix_rows if last else 0,
            delay=duration_message(self._delay_ns),
            latency=duration_message(self._latency_ns),
            stages=list(last.stages) if last else [],
            stage_seconds=array("f", last.stages.values() if last else ()),
            ranks=ranks,
            **({} if work is None else _pressure(work)),
            controller_heard=transit_ns is not None,
            controller_transit=duration_message(transit_ns or 0),
        )
        message.header.stamp = time_message(now_ns)
        return message


def _pressure(work: WorkerStatistics) -> dict[str, Any]:
    """What waits, runs, was left out and was given up, and how long each stage takes."""
    spreads = work.stages.values()
    return {
        "observations_skipped": work.superseded,
        "observations_dropped": work.dropped,
        "observation_waiting": work.waiting_s is not None,
        "waiting_age": duration_message(round((work.waiting_s or 0.0) * NS_PER_S)),
        "call_running": work.running_s is not None,
        "call_age": duration_message(round((work.running_s or 0.0) * NS_PER_S)),
        "calls_cancelled": work.cancelled,
        "last_cancel_reason": work.cancel_reason,
        "timed_stages": list(work.stages),
        "stage_p50": array("f", (spread.p50 for spread in spreads)),
        "stage_p95": array("f", (spread.p95 for spread in spreads)),
        "stage_p99": array("f", (spread.p99 for spread in spreads)),
    }
