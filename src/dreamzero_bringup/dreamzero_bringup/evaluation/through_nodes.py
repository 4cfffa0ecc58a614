"""Attempts through the real nodes: the graph of ``dreamzero up --sim``, on the wall clock.

One graph per policy; each attempt sets up its scene, gives the instruction, enables motion and
watches what the simulator's judge says. ``hold`` enables motion and gives no instruction; the
expert leads by teleoperation, as ``dreamzero expert`` does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from dreamzero_msgs import msg as dz
from dreamzero_msgs.srv import ResetTask
from rclpy.node import Node

from dreamzero_bringup.console import log_files
from dreamzero_bringup.evaluation.plan import Row, Try, Wanted
from dreamzero_bringup.evaluation.rollouts import FILMS
from dreamzero_bringup.evaluation.specs import Spec
from dreamzero_bringup.expert import ExpertTeleop
from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.operator_client import OperatorClient, result_of, spinning
from dreamzero_bringup.supervisor import Supervisor
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.film import Film
from dreamzero_policy.messages.images import canvas_pixels
from dreamzero_policy.messages.times import nanoseconds
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S, Image

_READY_S, _ANSWER_S, _MOTION_S, _STOPPED_S, _LOOK_S = 240.0, 20.0, 60.0, 3.0, 0.05
_JOIN_S = 1.5  # the expert stands still for so long: the gate ramps onto it

Until = Callable[[Callable[[], object], float, str], None]


class _Heard:
    """What the graph says.

    Attributes:
        task, driver, controller, policy: newest messages; None before the first.
        canvases: (stamp [ns], picture) that no film has yet.
    """

    def __init__(self, node: Node) -> None:
        self.task: dz.TaskStatus | None = None
        self.driver: dz.DriverStatus | None = None
        self.controller: dz.ControllerStatus | None = None
        self.policy: dz.PolicyStatus | None = None
        self.canvases: deque[tuple[int, Image]] = deque(maxlen=64)
        for name, kind in (
            ("task", dz.TaskStatus),
            ("driver", dz.DriverStatus),
            ("controller", dz.ControllerStatus),
            ("policy", dz.PolicyStatus),
        ):
            keep = (lambda attribute: lambda message: setattr(self, attribute, message))(name)
            node.create_subscription(kind, f"{name}_status", keep, qos.STATUS)
        node.create_subscription(dz.Canvas, "canvas", self._on_canvas, qos.CANVAS)

    def _on_canvas(self, message: dz.Canvas) -> None:
        self.canvases.append((nanoseconds(message.header.stamp), canvas_pixels(message).copy()))


def rollouts(
    wanted: Wanted, spec: Spec, tries: Sequence[Try], folder: Path, filmed: set[Try]
) -> Iterator[Row]:
    """Makes attempts, one after the other.

    Args:
        wanted: how.
        spec: who tries; a checkpoint, random weights, ``hold`` or ``expert``.
        tries: what.
        folder: of the evaluation; the nodes' logs go there.
        filmed: those of which a film is made.

    Yields:
        A row as soon as its attempt is over.

    Raises:
        ValueError: a policy that nodes cannot run, a graph that does not come up, a node that
            ended, an answer that did not come.
    """
    if spec.kind not in ("model", "hold", "expert"):
        raise ValueError(
            f"{spec.label}: through nodes a checkpoint, hold or expert was expected, got "
            f"{spec.source!r}: it is scored --through virtual"
        )
    first, robot = tries[0], embodiments.get(wanted.robot)
    overrides = [
        f"sim_driver.task={first.task}",
        f"sim_driver.seed={first.seed}",
        f"sim_driver.choice={first.choice}",
    ]
    if spec.kind == "model":
        overrides.append(f"policy.replan_frames={wanted.replan_frames}")
        overrides.append(f"policy.device={spec.device}")
        overrides += [f"policy.{name}={value}" for name, value in spec.options.items()]
    nodes = build(
        Options(
            wanted.robot,
            sim=True,
            checkpoint=spec.source if spec.kind == "model" else None,
            overrides=tuple(overrides),
        )
    )
    if spec.kind != "model":
        nodes = [node for node in nodes if node.side == "robot"]
    sink = log_files(folder / "logs" / spec.label, [node.name for node in nodes])
    with (
        Supervisor(nodes, sink=sink) as supervisor,
        spinning("evaluation", supervisor.domain_id) as node,
    ):

        def until(done: Callable[[], object], patience_s: float, what: str) -> None:
            deadline = time.monotonic() + patience_s
            while not done():
                if supervisor.poll() is not None:
                    failure = supervisor.failure
                    lines = "\n".join(failure.last_lines[-5:])
                    raise ValueError(f"{failure.name} {failure.reason}; its last words:\n{lines}")
                if time.monotonic() > deadline:
                    raise ValueError(
                        f"{spec.label}: expected {what} within {patience_s:g} s; logs: "
                        f"{folder / 'logs' / spec.label}"
                    )
                time.sleep(_LOOK_S)

        stage = _Stage(wanted, spec, robot, node, until, folder)
        stage.wait_until_ready()
        for one in tries:
            yield stage.attempt(one, one in filmed)


class _Stage:
    """The running graph, attempt after attempt."""

    def __init__(
        self,
        wanted: Wanted,
        spec: Spec,
        robot: Embodiment,
        node: Node,
        until: Until,
        folder: Path,
    ) -> None:
        self._wanted, self._spec, self._robot = wanted, spec, robot
        self._until, self._folder = until, folder
        self._heard, self._operator = _Heard(node), OperatorClient(node)
        self._expert = ExpertTeleop(node, robot) if spec.kind == "expert" else None
        self._reset = node.create_client(ResetTask, "driver/reset_task")

    def wait_until_ready(self) -> None:
        """Waits until every part has spoken and the model is loaded.

        Raises:
            ValueError: that did not come about.
        """
        heard = self._heard
        parts = [lambda: heard.task and heard.driver and heard.controller and heard.canvases]
        if self._spec.kind == "model":
            warming = dz.PolicyStatus.WARMING_UP
            parts.append(lambda: heard.policy and heard.policy.state != warming)
        self._until(lambda: all(part() for part in parts), _READY_S, "the graph to be ready")

    def attempt(self, one: Try, film: bool) -> Row:
        """Makes an attempt."""
        self._set_up(one)
        heard, name = self._heard, f"{FILMS}/{one.name}.mp4" if film else ""
        heard.canvases.clear()
        goal = None
        if self._spec.kind == "model":
            before = heard.controller.chunks_accepted
            goal = self._operator.start(heard.task.instruction)
            accepted = lambda: heard.controller.chunks_accepted != before  # noqa: E731
            self._until(accepted, _MOTION_S, "the first chunk")
        self._enable()
        (self._folder / FILMS).mkdir(exist_ok=True)
        hz = self._robot.time_base.frame_hz
        with Film(self._folder / name, hz) if film else nullcontext() as to:
            trouble = self._watch(one, to)
        status, controller = heard.task, heard.controller
        if self._expert is not None:
            self._expert.stand()
        self._operator.motion("disable")
        if goal is not None:
            result_of(goal.cancel_goal_async(), _ANSWER_S, "end of the instruction")
        limit = self._wanted.time_limit_s or status.time_limit
        return Row(
            *(one.policy, one.split, one.task, one.seed, one.choice, status.instruction),
            success=status.success,
            progress=round(status.progress, 4),
            seconds=round(min(status.elapsed, limit), 3),
            time_limit_s=limit,
            film=name,
            trouble=trouble,
            figures={
                "refused": int(controller.chunks_refused),
                "chunks": int(heard.policy.chunks) if heard.policy else 0,
            },
        )

    def _set_up(self, one: Try) -> None:
        """Sets the scene up and waits until the driver speaks of it."""
        heard = self._heard
        if not self._reset.wait_for_service(timeout_sec=_ANSWER_S):
            raise ValueError("expected a simulated robot that can be reset, none answers")
        session = heard.driver.session_id
        request = ResetTask.Request(task=one.task, seed=one.seed, choice=one.choice)
        answer = result_of(self._reset.call_async(request), _ANSWER_S, "answer to the reset")
        if not answer.success:
            raise ValueError(answer.message)
        self._until(
            lambda: (
                (heard.task.task, heard.task.seed, heard.task.choice)
                == (one.task, one.seed, one.choice)
                and heard.driver.session_id != session
                and (self._expert is None or getattr(self._expert.task, "seed", None) == one.seed)
            ),
            _ANSWER_S,
            "the new scene",
        )
        time.sleep(0.5)  # stale canvases and poses of the scene before are gone

    def _enable(self) -> None:
        """Asks until the controller agrees.

        Raises:
            ValueError: it does not; the message has its reason.
        """
        said = [""]

        def agreed() -> bool:
            answer = self._operator.motion("enable")
            said[0] = answer.message
            return answer.success

        try:
            self._until(agreed, _MOTION_S, "motion to be enabled")
        except ValueError as error:
            raise ValueError(f"{error}; the controller said: {said[0]}") from error
        if self._expert is not None:
            self._expert.stand()
            time.sleep(_JOIN_S)
            self._expert.begin(self._heard.task.seed)

    def _watch(self, one: Try, film: Film | None) -> str:
        """Waits for success or the end of the time; why it ended before, if it did."""
        heard = self._heard
        began, first_ns, stopped = time.monotonic(), 0, None
        while True:
            self._until(lambda: True, 1.0, "")  # notices a node that ended
            status = heard.task
            limit = self._wanted.time_limit_s or status.time_limit
            while heard.canvases:
                stamp_ns, canvas = heard.canvases.popleft()
                first_ns = first_ns or stamp_ns
                if film is not None:
                    seconds = (stamp_ns - first_ns) / NS_PER_S
                    text = f"{one.policy}  {seconds:5.1f} s  progress {status.progress:.2f}"
                    film.add(canvas, None, text)
            # Hold sends the pose it has, and sends nothing before; its time is the wall clock's.
            if status.success or max(status.elapsed, time.monotonic() - began - 2.0) >= limit:
                return ""
            over = self._expert is not None and self._expert.finished
            if heard.controller.enabled and not over:
                stopped = None
            elif stopped is None:
                stopped = time.monotonic()
            elif time.monotonic() - stopped > _STOPPED_S:
                ended = f"motion ended: {heard.controller.message}"
                return (self._expert.trouble or "the expert's script was over") if over else ended
            time.sleep(_LOOK_S)
