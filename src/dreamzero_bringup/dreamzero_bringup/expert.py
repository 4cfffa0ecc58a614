"""A scripted expert at the leader's place: it does the simulated scene's task through the gate.

It publishes on ``teleop/joint_commands``, as a person's leader arms do, so the controller's limits,
ramps and watchdogs apply to it as to anybody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from dreamzero_msgs import msg as dz
from dreamzero_msgs.srv import ResetTask
from rclpy.node import Node
from sensor_msgs.msg import JointState

from dreamzero_bringup.operator_client import OperatorClient, domain_of_run, result_of, spinning
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.joints import command_message
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

RATE_HZ = 30.0
_LAG_S = 0.4  # gate, driver and the age of a task status together
_JOIN_S = 1.5  # stands still for so long after motion began: the gate ramps onto a new leader
_ANSWER_S, _STATUS_S, _LOOK_S = 20.0, 10.0, 0.05

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """How an attempt ended."""

    instruction: str
    success: bool
    progress: float
    seconds: float
    trouble: str


class ExpertTeleop:
    """Publishes targets: home, where a task begins once it is prepared, then what its expert says.

    Args:
        node: spun elsewhere.
        embodiment: of the robot.

    Attributes:
        task: the newest task status; None before the first.
        driver: the newest driver status.
    """

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        self._node, self._embodiment = node, embodiment
        self._lock = threading.Lock()
        self._expert = None
        self._acts, self._began_ns = False, 0
        self.task: dz.TaskStatus | None = None
        self.driver: dz.DriverStatus | None = None
        self._targets = node.create_publisher(JointState, "teleop/joint_commands", qos.TARGETS)
        node.create_subscription(dz.TaskStatus, "task_status", self._on_task, qos.STATUS)
        node.create_subscription(dz.DriverStatus, "driver_status", self._on_driver, qos.STATUS)
        node.create_timer(1.0 / RATE_HZ, self._move)

    def prepare(self, seed: int) -> None:
        """Stands where the present task begins.

        Args:
            seed: of the expert's habits.

        Raises:
            ValueError: the scene has no task, or is not one of this version's.
        """
        from sim_driver import scene, tasks
        from sim_driver.experts.expert import Expert
        from sim_driver.models import robots
        from sim_driver.tasks.judge import Judge

        status, robot = self.task, robots.get(self._embodiment.name)
        task = tasks.get(status.task, robot)
        layout = task.lay(robot, status.seed)
        model = scene.build(robot, status.seed, layout.items)
        if model.nq != len(status.scene_state):
            raise ValueError(
                f"the scene has {len(status.scene_state)} positions, but {status.task} with seed "
                f"{status.seed} has {model.nq} here: is it another version?"
            )
        judge = Judge(task, robot, layout, status.seed, status.choice)
        expert = Expert(model, robot, judge, seed, lag_s=_LAG_S)
        with self._lock:
            self._expert, self._acts, self._began_ns = expert, False, 0

    def begin(self) -> None:
        """Does the task that was prepared, from now on."""
        with self._lock:
            self._acts = True

    @property
    def finished(self) -> bool:
        """Whether the expert's script is over."""
        with self._lock:
            return self._expert is not None and self._expert.finished

    @property
    def trouble(self) -> str:
        """Why the expert gave up; empty where it did not."""
        with self._lock:
            return "" if self._expert is None else self._expert.trouble

    def _on_task(self, message: dz.TaskStatus) -> None:
        self.task = message

    def _on_driver(self, message: dz.DriverStatus) -> None:
        self.driver = message

    def _move(self) -> None:
        now_ns = self._node.get_clock().now().nanoseconds
        with self._lock:
            target = np.array(self._embodiment.home)
            if self._expert is not None and self._acts:
                self._began_ns = self._began_ns or now_ns
                seconds = (now_ns - self._began_ns) / NS_PER_S
                target = self._expert.act(np.asarray(self.task.scene_state), seconds)
            elif self._expert is not None:
                target = self._expert.ahead(0.0)
        self._targets.publish(command_message(self._embodiment, now_ns, target))


def run(
    robot: str,
    *,
    task: str | None,
    scene_seed: int | None,
    choice: int,
    seed: int,
    episodes: int,
    enable: bool,
    domain_id: int | None,
    say: Say,
) -> list[Result]:
    """Does the task of the graph that runs here, some times.

    Args:
        robot: name of the embodiment.
        task: to set up; None for what the scene has.
        scene_seed: to set up; None for what the scene has. Later episodes count on from it.
        choice: which instruction of a scene that is set up; -1 for the seed's.
        seed: of the expert's habits.
        episodes: how many.
        enable: whether to enable motion; otherwise waits until somebody does.
        domain_id: of the graph; None for the only one on this machine.
        say: takes lines for the user.

    Raises:
        ValueError: no graph, no simulated robot, no task, or one that refuses.
    """
    embodiment = embodiments.get(robot)
    results = []
    with spinning("expert", domain_of_run(domain_id)) as node:
        teleop, client = ExpertTeleop(node, embodiment), OperatorClient(node)
        reset = node.create_client(ResetTask, "driver/reset_task")
        _wait(lambda: teleop.task and teleop.driver, "a simulated robot", _ANSWER_S)
        if teleop.task.robot != robot:
            raise ValueError(f"expected the simulated robot {robot}, found {teleop.task.robot}")
        for episode in range(episodes):
            name = teleop.task.task if task is None else task
            if not name:
                raise ValueError("the scene has no task; name one with --task")
            first = teleop.task.seed if scene_seed is None else scene_seed
            wanted = (first + episode) if scene_seed is not None else first + (episode > 0)
            if task is not None or scene_seed is not None or episode:
                _reset(reset, teleop, name, wanted, choice)
            say(f"{teleop.task.task}, seed {teleop.task.seed}: {teleop.task.instruction}")
            results.append(_attempt(teleop, client, seed + episode, enable, say))
            last = results[-1]
            say(
                f"{'done' if last.success else 'NOT done'} after {last.seconds:.1f} s, progress "
                f"{last.progress:.2f}{'; ' + last.trouble if last.trouble else ''}"
            )
    return results


def _reset(reset: object, teleop: ExpertTeleop, task: str, seed: int, choice: int) -> None:
    """Sets a scene up and waits until the driver speaks of it."""
    if not reset.wait_for_service(timeout_sec=_ANSWER_S):
        raise ValueError("expected a simulated robot that can be reset, none answers")
    session = teleop.driver.session_id
    request = ResetTask.Request(task=task, seed=seed, choice=choice)
    answer = result_of(reset.call_async(request), _ANSWER_S, "answer to the reset")
    if not answer.success:
        raise ValueError(answer.message)
    _wait(
        lambda: (
            (teleop.task.task, teleop.task.seed) == (task, seed)
            and teleop.driver.session_id != session
        ),
        "the new scene",
        _STATUS_S,
    )


def _attempt(
    teleop: ExpertTeleop, client: OperatorClient, seed: int, enable: bool, say: Say
) -> Result:
    """One attempt at the present scene, from enable to disable."""
    teleop.prepare(seed)
    time.sleep(0.3)  # the stream is to be fresh before motion begins
    if enable:
        answer = client.motion("enable")
        if not answer.success:
            raise ValueError(f"enable: {answer.message}")
    else:
        say("waiting for motion to be enabled: dreamzero enable")
    following = dz.DriverStatus.FOLLOWING
    _wait(lambda: teleop.driver.mode == following, "motion", _ANSWER_S if enable else None)
    time.sleep(_JOIN_S)
    teleop.begin()
    while not teleop.finished and teleop.task.elapsed < teleop.task.time_limit:
        if teleop.driver.mode != following:
            break
        time.sleep(_LOOK_S)
    time.sleep(1.0)  # what was let go of comes to rest, and the judge looks on
    status = teleop.task
    trouble = teleop.trouble
    if teleop.driver.mode != following:
        trouble = f"motion ended: {teleop.driver.message}"
    elif not (teleop.finished or status.success):
        trouble = "the time limit was reached"
    client.motion("disable")
    return Result(status.instruction, status.success, status.progress, status.elapsed, trouble)


def _wait(done: Callable[[], object], what: str, patience_s: float | None) -> None:
    """Waits for a condition.

    Raises:
        ValueError: it did not come about in time.
    """
    deadline = None if patience_s is None else time.monotonic() + patience_s
    while not done():
        if deadline is not None and time.monotonic() > deadline:
            raise ValueError(f"expected {what} within {patience_s:g} s, none came")
        time.sleep(_LOOK_S)
