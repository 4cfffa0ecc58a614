"""A thread around an engine: it always takes the newest observation, never a queue.

Whoever receives canvases calls ``submit`` at each and returns at once. While a call is running, a
newer observation takes the waiting one's place; the window of canvases inside the newest one still
holds every frame that the context needs. Whoever makes the running call pointless says so
(``supersede``), and it ends before its next evaluation. Between calls, where nothing is waiting and
it will be done before the next call is due, the thread does what that call would do first, and then
decodes what the model expects to see, if somebody wants it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dreamzero_policy.inference.engine import Engine, Inference
from dreamzero_policy.inference.latencies import Latencies, Spread
from dreamzero_policy.inference.prediction import Prediction
from dreamzero_policy.inference.session import Session
from dreamzero_policy.sampling.cancellation import CancelledError
from dreamzero_policy.types import NS_PER_S, Image, Int, Observation

OnResult = Callable[[Session, Inference], None]
OnError = Callable[[Session, Exception], None]
OnPrediction = Callable[[Session, Int, Image], None]

_logger = logging.getLogger(__name__)
_RECORD = 1000
"""Calls whose latency is remembered."""

_MOST_OF_A_FRAME, _NEXT_FRAME = 0.6, 1.25
"""Shares of a frame: after the first the next one is worth waiting for, until the second."""
_LOOK_S = 0.01
"""How often a prediction that a GPU decodes is looked for."""
_FORGET = 0.9
"""What is left of the last time that work between calls took, whenever there was no time for it."""


@dataclass(frozen=True)
class WorkerStatistics:
    """Counts since the start, and latencies of the last calls.

    Attributes:
        chunks: calls that gave one.
        failures: calls that raised.
        superseded: observations that a newer one replaced before they were looked at.
        dropped: observations that waited when they became pointless.
        not_due: observations between two replans.
        cancelled: calls that were given up.
        cancel_reason: of the newest of these; empty before one.
        predictions: times that predicted frames were decoded.
        waiting_s: how long the waiting observation has waited; None where none does.
        running_s: how long the running call has run; None where none does.
        latency_s: percentile (50, 90, 99, 100) to seconds from ``submit`` to the result; empty
            before the first chunk.
        stages: seconds by stage of the newest calls: ``receive`` (from ``submit`` to the call),
            the engine's, ``publish`` (the callback) and ``decode`` (predicted frames).
    """

    chunks: int
    failures: int
    superseded: int
    dropped: int
    not_due: int
    cancelled: int
    cancel_reason: str
    predictions: int
    waiting_s: float | None
    running_s: float | None
    latency_s: dict[int, float]
    stages: dict[str, Spread]


class _Item(NamedTuple):
    """What waits in the slot."""

    session: Session
    observation: Observation
    submitted: float


class Worker:
    """Runs an engine in a thread of its own.

    Callbacks run in that thread, one at a time, and should return soon.

    Args:
        engine: used by this thread only, from ``start`` on.
        on_result: takes every chunk.
        on_error: takes what a call raised; the thread goes on.
        replan_frames: acts on canvases whose number after a boundary is a multiple of this, and
            on every boundary (``Session.due``).
        on_prediction: takes stamps and predicted canvases, decoded while nothing waits.
        wants_prediction: asked before decoding; None: always, if there is ``on_prediction``.
        frame_s: time between two observations [s]; one that has waited for most of it when the
            thread gets to it is passed over for the next, which is about to come. 0: never.
        name: of the thread.

    Raises:
        ValueError: ``replan_frames`` below 1.
    """

    def __init__(
        self,
        engine: Engine,
        on_result: OnResult,
        on_error: OnError,
        *,
        replan_frames: int = 8,
        on_prediction: OnPrediction | None = None,
        wants_prediction: Callable[[], bool] | None = None,
        frame_s: float = 0.0,
        name: str = "policy-worker",
    ) -> None:
        if replan_frames < 1:
            raise ValueError(f"replan_frames: expected at least 1, got {replan_frames}")
        self._engine = engine
        self._on_result, self._on_error = on_result, on_error
        self._on_prediction, self._wants_prediction = on_prediction, wants_prediction
        self._replan_frames, self._frame_s = replan_frames, frame_s
        self._changed = threading.Condition()
        self._slot: _Item | None = None
        self._stopping = False
        self._running: _Item | None = None
        self._began = 0.0
        self._reason = self._cancel_reason = ""
        self._latencies: deque[float] = deque(maxlen=_RECORD)
        self._stages = Latencies()
        self._chunks = self._failures = self._superseded = self._not_due = self._predictions = 0
        self._dropped = self._cancelled = 0
        self._pending: tuple[Session, Prediction, float] | None = None
        self._due_at: float | None = None
        self._decode_s = self._prepare_s = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts the thread; once."""
        self._thread.start()

    def submit(self, session: Session, observation: Observation) -> None:
        """Offers an observation; returns at once.

        Args:
            session: the episode that it belongs to.
            observation: the newest; it replaces one that still waits.
        """
        with self._changed:
            if self._slot is not None:
                self._superseded += 1
            self._slot = _Item(session, observation, time.perf_counter())
            self._changed.notify()

    def clear(self) -> None:
        """Drops the waiting observation; a call that is running goes on to its result."""
        with self._changed:
            self._drop()

    def supersede(self, reason: str) -> None:
        """Drops the waiting observation and ends the running call before its next evaluation.

        Args:
            reason: why nobody wants their answers any more, in one word.
        """
        with self._changed:
            self._drop()
            if self._running is not None and not self._reason:
                self._reason = reason

    def stop(self, timeout: float) -> bool:
        """Takes no new work, gives up the call that is running and waits for its end.

        Args:
            timeout: seconds to wait at most.

        Returns:
            Whether the thread has ended; if not it ends after its evaluation, with the process at
            the latest.
        """
        self.supersede("stopped")
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def statistics(self) -> WorkerStatistics:
        """Counts and latencies so far."""
        with self._changed:
            now = time.perf_counter()
            latencies = np.array(self._latencies)
            percentiles = (50, 90, 99, 100) if len(latencies) else ()
            return WorkerStatistics(
                chunks=self._chunks,
                failures=self._failures,
                superseded=self._superseded,
                dropped=self._dropped,
                not_due=self._not_due,
                cancelled=self._cancelled,
                cancel_reason=self._cancel_reason,
                predictions=self._predictions,
                waiting_s=None if self._slot is None else now - self._slot.submitted,
                running_s=None if self._running is None else now - self._began,
                latency_s={p: float(np.percentile(latencies, p)) for p in percentiles},
                stages=self._stages.spreads(),
            )

    def _drop(self) -> None:
        """Forgets what waits."""
        self._dropped += self._slot is not None
        self._slot = None

    def _run(self) -> None:
        """The thread: take the newest, answer it, and decode while idle.

        Canvases that are not due come while a call runs; the newest answer waits until they have
        been passed over.
        """
        newest: Inference | None = None
        session: Session | None = None
        while (item := self._take()) is not None:
            try:
                inference = self._answer(item)
                if inference is not None or item.session is not session:
                    newest, session = inference, item.session
                if self._idle(self._prepare_s):
                    self._prepare_s = _timed(
                        self._engine.prepare, item.session, item.observation, self._replan_frames
                    )
                else:
                    self._prepare_s *= _FORGET
                if newest is not None and self._idle(self._decode_s):
                    decoded, newest = newest, None
                    self._decode_s = _timed(self._predict, session, decoded)
                elif newest is not None:
                    self._decode_s *= _FORGET  # one slow time must not end predictions for good
            except CancelledError as cancelled:
                with self._changed:
                    self._cancelled += 1
                    self._cancel_reason = cancelled.reason
            except Exception as error:  # noqa: BLE001 - reported, and the next call may do better
                self._fail(item.session, error)

    def _take(self) -> _Item | None:
        """Waits for an observation; None to end."""
        while True:
            self._show()
            with self._changed:
                patience = None if self._pending is None else _LOOK_S
                self._changed.wait_for(lambda: self._slot is not None or self._stopping, patience)
                self._wait_for_the_next()
                if self._stopping:
                    return None
                if self._slot is not None:
                    self._running, self._slot = self._slot, None
                    self._began, self._reason = time.perf_counter(), ""
                    return self._running

    def _wait_for_the_next(self) -> None:
        """Where the waiting observation is most of a frame old, for a newer one in its place."""
        old = self._slot
        if old is not None and self._frame_s:
            waited = time.perf_counter() - old.submitted
            if waited > _MOST_OF_A_FRAME * self._frame_s:
                patience = max(0.0, _NEXT_FRAME * self._frame_s - waited)
                self._changed.wait_for(lambda: self._slot is not old or self._stopping, patience)

    def _answer(self, item: _Item) -> Inference | None:
        """Runs the engine if the observation is due."""
        try:
            if not item.session.due(item.observation, self._replan_frames):
                with self._changed:
                    self._not_due += 1
                return None
            inference = self._engine.infer(item.session, item.observation, lambda: self._reason)
        finally:
            with self._changed:
                self._running, reason = None, self._reason
        if reason:  # too late to end the call, in time for its result
            raise CancelledError(reason)
        made = time.perf_counter()
        self._on_result(item.session, inference)
        due_ns = item.session.next_due_ns(self._replan_frames)
        if due_ns is not None:
            ahead_ns = due_ns - item.observation.newest_ns
            self._due_at = item.submitted + ahead_ns / NS_PER_S
        with self._changed:
            now = time.perf_counter()
            self._chunks += 1
            self._latencies.append(now - item.submitted)
            received = {"receive": self._began - item.submitted}
            self._stages.add({**received, **inference.stages, "publish": now - made})
        return inference

    def _idle(self, seconds: float = 0.0) -> bool:
        """Whether nothing waits, nobody wants to stop, and nothing is due for so many seconds.

        A due observation is expected as long after its instant as the last one came after its own.
        """
        with self._changed:
            if self._slot is not None or self._stopping:
                return False
        return self._due_at is None or time.perf_counter() + seconds < self._due_at

    def _predict(self, session: Session, inference: Inference) -> None:
        """Has the predicted frames decoded for whoever wants them, one prediction at a time."""
        if self._on_prediction is None or self._pending is not None:
            return
        if self._wants_prediction is not None and not self._wants_prediction():
            return
        began = time.perf_counter()
        prediction = self._engine.begin_prediction(session, inference)
        if prediction is not None:
            self._pending = session, prediction, began
            self._show()

    def _show(self) -> None:
        """Passes on a prediction that is decoded by now."""
        if self._pending is None or not self._pending[1].ready():
            return
        (session, prediction, began), self._pending = self._pending, None
        try:
            self._on_prediction(session, prediction.stamps_ns, prediction.frames())
        except Exception as error:  # noqa: BLE001 - as of a call
            self._fail(session, error)
        with self._changed:
            self._predictions += 1
            self._stages.add({"decode": time.perf_counter() - began})

    def _fail(self, session: Session, error: Exception) -> None:
        """Reports an error; one in the report itself is only logged."""
        with self._changed:
            self._failures += 1
        try:
            self._on_error(session, error)
        except Exception:
            _logger.exception("reporting %r failed", error)


def _timed(work: Callable[..., None], *arguments: object) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began
