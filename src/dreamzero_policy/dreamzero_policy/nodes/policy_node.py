"""Canvases and states in, action chunks out, while an instruction is in force.

Callbacks only keep what came and hand the newest window of it to the worker's thread, where the
model runs; nothing here waits for it. The model is loaded and warmed up in a thread as well, and
until that is done the status says so and instructions are refused.
"""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import replace
from typing import NamedTuple

from dreamzero_msgs import msg as dz
from dreamzero_msgs.action import RunPolicy
from sensor_msgs.msg import Image

from dreamzero_policy import embodiments
from dreamzero_policy.acceleration import device
from dreamzero_policy.checkpoint.fit import said
from dreamzero_policy.clock_offset import Transit
from dreamzero_policy.inference.engine import Engine, Inference
from dreamzero_policy.inference.session import Session
from dreamzero_policy.inference.worker import Worker
from dreamzero_policy.messages.chunks import chunk_message
from dreamzero_policy.messages.images import image_message
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.nodes.canvas_decoder import CanvasDecoder
from dreamzero_policy.nodes.policy_inputs import PolicyInputs
from dreamzero_policy.nodes.policy_model import warm_engine
from dreamzero_policy.nodes.run_policy import RunPolicyServer
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.parameters.policy_parameters import PolicyParameters
from dreamzero_policy.ranks.ranks import RankError
from dreamzero_policy.ros import qos
from dreamzero_policy.ros.diagnostics import Diagnosis
from dreamzero_policy.ros.lifecycle import STOP_SECONDS, ExitCode, Node, run
from dreamzero_policy.statuses.policy_diagnostics import policy_diagnoses
from dreamzero_policy.statuses.policy_status import PolicyRecord
from dreamzero_policy.types import NS_PER_S, Int
from dreamzero_policy.types import Image as Pixels

_LOOK_S = 0.1
_STATUS_NS = NS_PER_S
_AHEAD_NS = 300_000_000
"""Predicted instants this far ahead are enough; decoding more takes time from the next call."""
_MOST_FAILURES = 3
"""Calls in a row that may raise before the instruction is given up."""

Status = dz.PolicyStatus


class Loaded(NamedTuple):
    """What there is once the model has been loaded and warmed up."""

    engine: Engine
    worker: Worker
    inputs: PolicyInputs


class PolicyNode(Node[PolicyParameters]):
    """Follows instructions with a model."""

    def __init__(self) -> None:
        """Declares the parameters."""
        super().__init__("policy", PolicyParameters)
        self._loaded: Loaded | None = None
        self._actions: RunPolicyServer | None = None
        self._decoder: CanvasDecoder | None = None

    def _setup(self) -> None:
        """Makes the topics and begins to load the model."""
        self._robot = embodiments.get(self.settings.robot)
        self._device = device.find(self.settings.device)
        # Session, record and failure are shared with the worker's thread.
        self._lock = threading.Lock()
        self._session: Session | None = None
        # A simulation's clock may not have begun: any other number tells processes apart as well.
        self._policy_id = self.now_ns() or time.time_ns()
        self._record = PolicyRecord(self._policy_id)
        self._failure = ""
        self._broken = self._prompt = ""
        self._offered_ns = self._reported_ns = self._last_id = self._predicted_ns = 0
        self._shown = -1
        self._noticed = 0
        self._transit = Transit()
        self._chunks = self.create_publisher(dz.ActionChunk, "action_chunk", qos.CHUNK)
        self._statuses = self.create_publisher(Status, "policy_status", qos.STATUS)
        self._predicted = self.create_publisher(Image, "predicted_canvas", qos.PREDICTION)
        # Triggered by the decoder's thread, it has the executor take what was decoded.
        self._decoded = self.create_guard_condition(self._take_decoded)
        self._decoder = CanvasDecoder(self._decoded.trigger)
        self.create_subscription(dz.Canvas, "canvas", self._take_canvas, qos.CANVAS)
        self.create_subscription(
            dz.Proprioception, "proprioception", self._take_state, qos.STATE_INPUT
        )
        self.create_subscription(
            dz.ControllerStatus, "controller_status", self._take_controller, qos.STATUS
        )
        self._actions = RunPolicyServer(self, self._refusal, self._instructed)
        self.create_timer(_LOOK_S, self._look_around)
        self._report()
        self._loader = threading.Thread(target=self._load, name="policy-loader", daemon=True)
        self._loader.start()

    def _stop(self) -> None:
        """Ends the instruction; the call that runs has its result dropped."""
        self._actions.end(RunPolicy.Result.FAILED, "the policy was stopped")

    def _teardown(self) -> None:
        """Ends the threads and lets go of the model."""
        self._loader = None
        if self._decoder is not None:
            self._decoder.stop(STOP_SECONDS)
            self._decoder = None
            self.destroy_guard_condition(self._decoded)
        if self._actions is not None:
            self._actions.close()
            self._actions = None
        loaded, self._loaded = self._loaded, None
        if loaded is not None and not loaded.worker.stop(STOP_SECONDS):
            self.get_logger().warning("a call of the model is still running")
        if loaded is not None:
            loaded.engine.close()

    def _load(self) -> None:
        """Loads, warms up and reports ready; runs in its own thread."""
        settings = self.settings
        try:
            engine = warm_engine(settings, self._robot, self._device)
            worker = Worker(
                engine,
                self._publish,
                self._note_failure,
                replan_frames=settings.replan_frames,
                on_prediction=self._publish_prediction,
                wants_prediction=self._predictions_wanted,
                frame_s=engine.time_base.frame_ns / NS_PER_S / settings.canvases_per_frame,
            )
        except Exception as error:  # noqa: BLE001  # the process must not go on without its model
            if isinstance(error, ValueError):
                self.fail(str(error), ExitCode.CONFIGURATION)
            elif isinstance(error, RankError):
                self.fail(f"the model could not be loaded: {error}")
            else:
                self.fail(f"the model could not be loaded:\n{traceback.format_exc()}")
            return
        if threading.current_thread() is not self._loader:
            engine.close()
            return
        say = self.get_logger().warning if engine.untrained else self.get_logger().info
        say(
            f"ready on {self._device}; weights: {engine.description}; chunks of "
            f"{said(engine.time_base)}"
        )
        worker.start()
        inputs = PolicyInputs(
            engine.embodiment,
            ObservationWindow(
                engine.embodiment, engine.time_base, per_frame=settings.canvases_per_frame
            ),
            max_age_s=settings.observation_max_age_s,
            tolerance_s=settings.clock_tolerance_s,
            changed=self._offer,
            rewound=self._rewound,
            complain=self._complain,
        )
        self._loaded = Loaded(engine, worker, inputs)

    # Observations, in the executor's thread

    def _take_canvas(self, message: dz.Canvas) -> None:
        """Keeps a canvas once there is a model for it; a compressed one is decoded first."""
        if self._loaded is None:
            return
        if len(message.compressed.data):
            self._decoder.submit(message)
        else:
            self._loaded.inputs.take_canvas(message)

    def _take_decoded(self) -> None:
        """Keeps what the decoder has made meanwhile."""
        if self._decoder is None or self._loaded is None:
            return
        while (came := self._decoder.take()) is not None:
            self._loaded.inputs.take_canvas(came)

    def _take_controller(self, message: dz.ControllerStatus) -> None:
        """Measures how long it was on its way, by the clocks of the two hosts."""
        now_ns = self.now_ns()
        with self._lock:
            self._transit.note(nanoseconds(message.header.stamp), now_ns)

    def _take_state(self, message: dz.Proprioception) -> None:
        """Keeps a state once there is a model for it."""
        if self._loaded is not None:
            self._loaded.inputs.take_state(message)

    def _rewound(self) -> None:
        """Forgets instants of a clock that was set back."""
        self._offered_ns = self._predicted_ns = 0

    def _offer(self) -> None:
        """Hands the newest window to the worker, if it is new and an instruction is in force."""
        instruction, loaded = self._actions.current, self._loaded
        if instruction is None or loaded is None or not self.accepting:
            return
        observation = loaded.inputs.observation(instruction.prompt)
        if observation is None or observation.newest_ns == self._offered_ns:
            return
        if loaded.inputs.stale(self.now_ns()):
            return
        self._offered_ns = observation.newest_ns
        loaded.worker.submit(self._session, observation)

    def _complain(self, what: str) -> None:
        self.get_logger().warning(what, throttle_duration_sec=1.0)

    # Results, in the worker's thread

    def _publish(self, session: Session, inference: Inference) -> None:
        """Sends a chunk, unless its instruction has ended meanwhile."""
        with self._lock:
            if session is not self._session:
                return
            self._chunks.publish(chunk_message(replace(inference.chunk, policy=self._policy_id)))
            published_ns = self.now_ns()
            session.note_published(inference.chunk, published_ns)
            if self._record.note(session, inference, published_ns):
                self.get_logger().warning(self._record.remark)
            self._failure = ""
            instruction = self._actions.current
        if instruction is not None:
            instruction.chunks += 1
        self._report()

    def _note_failure(self, session: Session, error: Exception) -> None:
        """Says what a call raised; the next call restarts the window."""
        lines = "".join(traceback.format_exception(error))
        self.get_logger().error(f"the model failed:\n{lines}")
        with self._lock:
            if session is self._session:
                self._record.failures += 1
                self._failure = f"{type(error).__name__}: {error}"
        self._report()

    def _predictions_wanted(self) -> bool:
        """Whether anybody listens and what was predicted last has come to pass, nearly."""
        return (
            self.settings.predictions
            and self._predicted_ns - self.now_ns() < _AHEAD_NS
            and self._predicted.get_subscription_count() > 0
        )

    def _publish_prediction(self, session: Session, stamps_ns: Int, frames: Pixels) -> None:
        """Sends predicted canvases, each stamped with the instant that it predicts."""
        for stamp_ns, frame in zip(stamps_ns.tolist(), frames, strict=True):
            self._predicted.publish(image_message(stamp_ns, "predicted_canvas", frame))
        self._predicted_ns = int(stamps_ns[-1])

    # Instructions and status

    def _refusal(self, prompt: str) -> str:
        """Why an instruction cannot be taken; empty to take it."""
        if not self.accepting:
            return "the policy is not active"
        if self._loaded is None:
            return "the model is still being loaded"
        if self._broken:
            return self._broken
        return "" if prompt.strip() else "the instruction is empty"

    def _instructed(self) -> None:
        """Begins or ends a session; a changed instruction goes on in the same one.

        What is being computed for another instruction, or for none, ends before its next evaluation
        and is not published.
        """
        instruction, loaded = self._actions.current, self._loaded
        running = instruction is not None
        before, self._prompt = self._prompt, instruction.prompt if running else ""
        with self._lock:
            if not running or loaded is None:
                if self._session is not None:
                    self._session.end()
                self._session, self._failure = None, ""
            elif self._session is None:
                self._last_id = max(self.now_ns(), self._last_id + 1)
                self._session = loaded.engine.new_session(self._last_id)
                self._record = PolicyRecord(self._policy_id, self._last_id)
        # The next canvas is offered first: the newest one may be most of a frame old.
        if loaded is not None:
            self._offered_ns = loaded.inputs.newest_canvas_ns
            if self._prompt == before:
                loaded.worker.clear()
            else:
                loaded.worker.supersede("prompt_changed" if running else "instruction_ended")
        self._report()

    def _look_around(self) -> None:
        """Keeps time limits, gives up on a model that fails, and reports once a second."""
        record, loaded = self._record, self._loaded
        self._warn()
        if loaded is not None and loaded.engine.failure and not self._broken:
            self._broken = f"{loaded.engine.failure}; the policy must be started anew"
            self.get_logger().error(self._broken)
            self._actions.end(RunPolicy.Result.FAILED, self._broken)
        self._actions.check_time(self.now_ns(), record.session_id)
        if record.failures >= _MOST_FAILURES:
            self._actions.end(RunPolicy.Result.FAILED, self._failure)
            record.failures = 0
        if self._state()[0] != self._shown or self.now_ns() - self._reported_ns >= _STATUS_NS:
            self._report()

    def _warn(self) -> None:
        """Says of the engine, once each, what runs slower than asked and why."""
        notices = self._loaded.engine.notices if self._loaded is not None else ()
        for notice in notices[self._noticed :]:
            self.get_logger().warning(notice)
        self._noticed = max(self._noticed, len(notices))

    def _state(self) -> tuple[int, str]:
        """State and message of the status."""
        instruction = self._actions.current if self._actions is not None else None
        loaded = self._loaded
        if loaded is None:
            return Status.WARMING_UP, "the model is being loaded and warmed up"
        if self._broken:
            return Status.FAILED, self._broken
        if instruction is None:
            ready = "ready" if self.accepting else "ready; not active"
            but = (loaded.inputs.other_rate, *loaded.engine.notices)
            return Status.IDLE, ", but ".join((ready, *filter(None, but)))
        if self._failure:
            return Status.FAILED, self._failure
        stale = loaded.inputs.stale(self.now_ns())
        return (Status.WAITING, stale) if stale else (Status.RUNNING, self._record.remark)

    def _report(self) -> None:
        """Publishes a status; callable from any thread."""
        state, text = self._state()
        actions, loaded, now_ns = self._actions, self._loaded, self.now_ns()
        instruction = actions.current if actions is not None else None
        self._shown, self._reported_ns = state, now_ns
        with self._lock:
            message = self._record.message(
                state=state,
                text=text,
                weights=loaded.engine.description if loaded else self.settings.checkpoint,
                untrained=loaded.engine.untrained if loaded else False,
                prompt=instruction.prompt if instruction else "",
                work=loaded.worker.statistics() if loaded else None,
                ranks=self.settings.ranks,
                transit_ns=self._transit.least_ns(now_ns),
                now_ns=now_ns,
            )
            self._statuses.publish(message)
            self._status = message

    def _diagnose(self) -> list[Diagnosis]:
        """What the policy does, with which weights, and how fast."""
        loaded = self._loaded
        return policy_diagnoses(
            self._status,
            loaded.worker.statistics().latency_s if loaded else {},
            loaded.engine.notices if loaded else (),
            self._broken,
        )


def main(argv: list[str] | None = None) -> int:
    """Runs the policy."""
    return run(PolicyNode, argv)
