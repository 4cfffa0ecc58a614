"""Leader arms: what a human's arm says; without ROS.

Two kinds, both the vendor's (yam-abc-reproduce ``docs/hardware.md``): ``passive_gello`` has no
motors, its encoders report by themselves; ``teaching_handle`` is a motorised arm that floats, with
a trigger and two buttons.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from dreamzero_policy.types import NS_PER_S, Float
from yam_driver.arm import JOINTS, STALE_NS
from yam_driver.vendor import ArmApi

_RAD_PER_COUNT = 2.0 * math.pi / 4096  # i2rt/motor_drivers/dm_driver.py
_TRIGGER = JOINTS  # device number of the trigger's encoder, which also reports the buttons
_POLL_S = 0.02
_REPORT_HZ = 200


class LeaderError(RuntimeError):
    """A leader arm that says nothing any more."""


class Held(NamedTuple):
    """What a human holds.

    Attributes:
        joints: [6] rad, in the follower's directions.
        gripper: 0 closed to 1 open.
        pressed: whether the clutch's button is.
    """

    joints: Float
    gripper: float
    pressed: bool


class Leader(Protocol):
    """One leader arm."""

    def read(self, now_ns: int) -> Held:
        """What it says now; ``LeaderError`` where that is too old."""

    def close(self) -> None:
        """Ends the reading."""


class TeachingHandle:
    """A motorised leader arm of i2rt's, floating (``examples/minimum_gello/minimum_gello.py``)."""

    def __init__(self, api: ArmApi, side: str) -> None:
        """Takes a leader that ``vendor.open_handle`` opened; its gains become zero."""
        self._api, self._side = api, side
        api.update_kp_kd(np.zeros(JOINTS), np.zeros(JOINTS))
        self._newest: tuple[Any, Any] | None = None
        self._newest_ns = 0
        self._idle: bool | None = None

    def read(self, now_ns: int) -> Held:
        """Arm and trigger; i2rt makes both anew in every cycle, so the same ones again are old.

        Raises:
            LeaderError: nothing, or nothing new.
        """
        array, states = (
            self._api.get_joint_pos(),
            self._api.motor_chain.get_same_bus_device_states(),
        )
        if not self._api.motor_chain.running or not states:
            raise LeaderError(f"{self._side} leader: no handle is heard")
        last = self._newest
        if last is None or (array is not last[0] and states is not last[1]):
            self._newest, self._newest_ns = (array, states), now_ns
        elif now_ns - self._newest_ns > STALE_NS:
            raise LeaderError(f"{self._side} leader: nothing new for {STALE_NS / NS_PER_S:g} s")
        button = bool(states[0].io_inputs[0])
        if self._idle is None:
            self._idle = button  # which level that is differs between handles
        gripper = 1.0 - float(states[0].position)
        joints = np.array(array[:JOINTS], dtype=np.float64)
        return Held(joints, min(max(gripper, 0.0), 1.0), button != self._idle)

    def close(self) -> None:
        """Ends i2rt's loop; the arm then sinks."""
        self._api.close()


class PassiveGello:
    """A leader arm of seven encoders, read in a thread of its own."""

    def __init__(
        self,
        encoders: Any,
        side: str,
        signs: Sequence[int],
        travel: float,
        clock: Callable[[], int],
    ) -> None:
        """Begins to read.

        Args:
            encoders: i2rt's ``PassiveJointEncoder`` (``i2rt/utils/encoder_manager.py``).
            side: ``left`` or ``right``.
            signs: +1 or -1 per joint.
            travel: turn of the trigger that closes the gripper [rad].
            clock: of ``read``.

        Raises:
            ValueError: signs that are not one per joint.
        """
        if len(signs) != JOINTS or any(abs(sign) != 1 for sign in signs):
            raise ValueError(
                f"parameter {side}_signs: expected {JOINTS} of 1 or -1, got {list(signs)}"
            )
        self._encoders, self._side = encoders, side
        self._signs, self._travel, self._clock = np.array(signs, float), travel, clock
        self._reports: dict[int, tuple[int, int, int]] = {}  # device: when, counts, inputs
        self._lock, self._ended = threading.Lock(), threading.Event()
        if not encoders.wait_for_report(timeout=0.3):
            encoders.set_report_frequency(_REPORT_HZ)  # they wait to be asked
        self._thread = threading.Thread(target=self._listen, name=f"{side} leader", daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                reports = self._encoders.wait_for_report(timeout=_POLL_S)
            except Exception:  # noqa: BLE001  # of the bus; what lasts shows as too old
                self._ended.wait(_POLL_S)
                continue
            now_ns = self._clock()
            with self._lock:
                for one in reports:
                    self._reports[one.device] = (now_ns, one.position, one.inputs)

    def read(self, now_ns: int) -> Held:
        """All encoders.

        Raises:
            LeaderError: one of them has not reported lately.
        """
        with self._lock:
            reports = dict(self._reports)
        silent = [
            str(device)
            for device in range(_TRIGGER + 1)
            if device not in reports or now_ns - reports[device][0] > STALE_NS
        ]
        if silent:
            raise LeaderError(f"{self._side} leader: encoders {', '.join(silent)} are silent")
        turns = _RAD_PER_COUNT * np.array([reports[device][1] for device in range(_TRIGGER + 1)])
        # Either way of turning closes: desk and mobile rigs differ in it.
        gripper = 1.0 - min(abs(turns[_TRIGGER]) / self._travel, 1.0)
        return Held(self._signs * turns[:JOINTS], gripper, bool(reports[_TRIGGER][2] & 1))

    def close(self) -> None:
        """Ends the reading."""
        self._ended.set()
        self._thread.join(1.0)
