"""Sensors that freeze, are swapped or repeat themselves: their messages pass through here.

Orders, each in force until the next:

- ``{"freeze": VIEW}`` sends that view's last image again and again, with new stamps;
- ``{"swap": [VIEW, VIEW]}`` crosses two cables;
- ``{"repeat": true}`` sends the joints with the stamp of the first of these messages;
- ``{}`` passes everything on as it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image, JointState

from dreamzero_bringup.stand_ins.double import Double, run
from dreamzero_policy import embodiments
from dreamzero_policy.ros import qos

_JOINTS = "joint_states"


def remapping(topic: str) -> tuple[str, str]:
    """What makes a node listen to the relay."""
    return topic, f"relayed/{topic}"


def image_topics(robot: str) -> dict[str, str]:
    """Image topic of every view."""
    return {view.name: f"{view.name}/image_raw" for view in embodiments.get(robot).views}


class SensorRelay(Double):
    """Passes images and joints on."""

    def __init__(self) -> None:
        super().__init__("sensor_relay")
        self.declare_parameter("robot", "droid")
        self._frozen = ""
        self._crossed: dict[str, str] = {}
        self._last: dict[str, Image] = {}
        self._repeats = False
        self._stamp: Time | None = None
        self._images = {}
        for view, topic in image_topics(self.get_parameter("robot").value).items():
            self._images[view] = self.create_publisher(Image, remapping(topic)[1], qos.CAMERA)
            self.create_subscription(Image, topic, partial(self._take_image, view), qos.CAMERA)
        self._joints = self.create_publisher(JointState, remapping(_JOINTS)[1], qos.STATE)
        self.create_subscription(JointState, _JOINTS, self._take_joints, qos.STATE_INPUT)

    def obey(self, order: dict[str, Any]) -> None:
        """Begins what is ordered and ends all else."""
        self._frozen = order.get("freeze", "")
        one, other = order.get("swap", ("", ""))
        self._crossed = {one: other, other: one}
        self._repeats, self._stamp = bool(order.get("repeat")), None

    def _take_image(self, view: str, message: Image) -> None:
        if view == self._frozen:
            stamp = message.header.stamp
            message = self._last.get(view, message)
            message.header.stamp = stamp
        self._last[view] = message
        self._images[self._crossed.get(view, view)].publish(message)

    def _take_joints(self, message: JointState) -> None:
        if self._repeats:
            self._stamp = self._stamp or message.header.stamp
            message.header.stamp = self._stamp
        self._joints.publish(message)


if __name__ == "__main__":
    run(SensorRelay)
