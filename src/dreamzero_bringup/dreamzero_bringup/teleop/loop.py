"""A human leads a running robot: their device is read, their targets are published.

Nothing here lets a command out: ``teleop/joint_commands`` is one of the controller's inputs, and
the controller limits it as it limits chunks. When the stream ends, for whatever reason, the
controller takes the robot back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from dreamzero_msgs import msg as dz
from geometry_msgs.msg import Twist
from rclpy.node import Node
from sensor_msgs.msg import JointState, Joy

from dreamzero_bringup.operator_client import domain_of_run, spinning
from dreamzero_bringup.teleop import gamepad, keyboard
from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.follow import Follower, LeaderMap
from dreamzero_bringup.teleop.jog import Jog
from dreamzero_bringup.teleop.joystick import Joystick
from dreamzero_bringup.teleop.lead import JogLead, LeaderLead, Robot
from dreamzero_bringup.teleop.terminal import Terminal
from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.messages.joints import (
    base_message,
    command_message,
    proprioception_from_message,
)
from dreamzero_policy.ros import qos
from dreamzero_policy.types import NS_PER_S

HZ = 50.0
_STATUS_S = 0.5  # a controller that is silent for so long follows nobody

INPUTS = ("keyboard", "gamepad", "leader")


class Link:
    """What the robot says, and where targets go."""

    def __init__(self, node: Node, embodiment: Embodiment) -> None:
        self._node, self._embodiment = node, embodiment
        self._state, self._status = None, None
        self._targets = node.create_publisher(JointState, "teleop/joint_commands", qos.TARGETS)
        self._wheels = None
        if any(joint.kind == "base" for joint in embodiment.joints):
            self._wheels = node.create_publisher(Twist, "teleop/base_command", qos.TARGETS)
        node.create_subscription(
            dz.Proprioception, "proprioception", self._on_state, qos.STATE_INPUT
        )
        node.create_subscription(
            dz.ControllerStatus, "controller_status", self._on_status, qos.STATUS
        )

    def robot(self, now_ns: int) -> Robot:
        """What is known of the robot now."""
        state, state_ns = self._state or (None, 0)
        status, status_ns = self._status or (None, 0)
        if status is None or now_ns - status_ns > _STATUS_S * NS_PER_S:
            return Robot(state, state_ns)
        followed = status.authority == dz.Authority.HUMAN
        why = status.message or status.hold_reason
        if not status.enabled:
            why = "motion is not enabled (dreamzero enable)"
        return Robot(state, state_ns, followed, why)

    def publish(self, target: object) -> None:
        """Publishes a target [A], stamped now; the velocity of a base apart from the joints."""
        now_ns = self._node.get_clock().now().nanoseconds
        self._targets.publish(command_message(self._embodiment, now_ns, target))
        if self._wheels is not None:
            self._wheels.publish(base_message(self._embodiment, target))

    def _on_state(self, message: dz.Proprioception) -> None:
        state = proprioception_from_message(message)
        if state.names == self._embodiment.state_joints:
            self._state = state.positions, time.monotonic_ns()

    def _on_status(self, message: dz.ControllerStatus) -> None:
        self._status = message, time.monotonic_ns()


def run(
    robot: str,
    device: str,
    *,
    domain_id: int | None = None,
    pad: str = "/dev/input/js0",
    leader_topic: str = "leader/joint_states",
    leader_map: Sequence[str] = (),
    say: Callable[[str], None],
) -> int:
    """Leads a robot until the human quits.

    Args:
        robot: name of an embodiment.
        device: one of ``INPUTS``.
        domain_id: of the graph; None for that of the only run on this machine.
        pad: a joystick device, or ``joy`` for the topic of that name.
        leader_topic: joint states of a leader arm.
        leader_map: as ``LeaderMap`` takes it.
        say: takes lines for the user.

    Raises:
        ValueError: an unknown robot, a device that is not there, no running graph.
    """
    embodiment = embodiments.get(robot)
    lead: JogLead | LeaderLead
    if device == "leader":
        lead = LeaderLead(Follower(embodiment), LeaderMap(embodiment, leader_map))
    else:
        lead = JogLead(Jog(embodiment))
    keys = keyboard.Keyboard()
    with ExitStack() as stack:
        terminal = stack.enter_context(Terminal())
        node = stack.enter_context(spinning("teleop", domain_of_run(domain_id)))
        ask: Callable[[int], Asked] = keys.asked
        if device == "gamepad":
            ask = _pad(node, pad, stack, say)
        elif isinstance(lead, LeaderLead):
            _listen(node, leader_topic, lead, say)
        say({"keyboard": keyboard.MAP, "gamepad": gamepad.MAP}.get(device, _LEADER_MAP))
        with suppress(EOFError, KeyboardInterrupt):  # the terminal is gone, or Ctrl-C
            _lead(terminal, keys, ask, lead, Link(node, embodiment))
    return 0


_LEADER_MAP = """\
  SPACE  take over / hand back     q  quit (hands back)
The robot goes slowly to the leader's pose, then follows it. A leader that is silent hands back.
"""


def _lead(
    terminal: Terminal,
    keys: keyboard.Keyboard,
    ask: Callable[[int], Asked],
    lead: JogLead | LeaderLead,
    link: Link,
) -> None:
    """Ticks until the human quits."""
    due_ns = time.monotonic_ns()
    while True:
        due_ns = max(due_ns + round(NS_PER_S / HZ), time.monotonic_ns())
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            keys.take(terminal.keys(left_ns / NS_PER_S), time.monotonic_ns())
        now_ns = time.monotonic_ns()
        typed = keys.asked(now_ns)
        asked = typed if ask == keys.asked else ask(now_ns)
        if "quit" in (*typed.words, *asked.words):
            return
        target = lead.tick(asked, link.robot(now_ns), now_ns)
        if target is not None:
            link.publish(target)
        if isinstance(lead, LeaderLead) and lead.lost:
            keys.let_go()
        terminal.show(lead.text)


def _pad(
    node: Node, name: str, stack: ExitStack, say: Callable[[str], None]
) -> Callable[[int], Asked]:
    """What a gamepad asks for, through its device or the topic ``joy``."""
    if name != "joy":
        joystick = Joystick(Path(name))
        stack.callback(joystick.close)
        return joystick.asked
    pad = gamepad.Gamepad()

    def heard(message: Joy) -> None:
        try:
            pad.take(message.axes, message.buttons, time.monotonic_ns())
        except ValueError as error:
            say(f"\r\n{error}")

    node.create_subscription(Joy, "joy", heard, qos.TARGETS)
    return pad.asked


def _listen(node: Node, topic: str, lead: LeaderLead, say: Callable[[str], None]) -> None:
    """Hands a leader's joint states over; says once what is wrong with them."""
    told = set()

    def heard(message: JointState) -> None:
        try:
            if len(message.name) != len(message.position):
                raise ValueError("leader: expected one position per name")
            said = dict(zip(message.name, message.position, strict=True))
            lead.hear(said, time.monotonic_ns())
        except ValueError as error:
            if str(error) not in told and len(told) < 5:
                told.add(str(error))
                say(f"\r\n{error}")

    node.create_subscription(JointState, topic, heard, qos.STATE_INPUT)
