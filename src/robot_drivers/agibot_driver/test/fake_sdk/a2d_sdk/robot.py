"""AgiBot's ``a2d_sdk.robot`` without a robot: the calls that the bridge makes.

Read in github.com/Nolanwangth/openpi_repo, whose agibot/gdktest/example is the maker's own example
code; each behaviour names its place:

[control] agibot/gdktest/example/robot_control/ (README.md, robot_control.py)
[test]    agibot/gdktest/example/robot_test/robot_test.py
[wbc]     agibot/wbc.py
[hold]    agibot/hold_body_pose.py
[state]   agibot/robotstate.py
[client]  clients whose repositories the index does not name: arm_only_movement of a G1 adapter
          (whole_body_status and its flags), RobotA2D (stamps in ns)

It runs in the bridge's process. What was called stands in ``calls.jsonl`` in the working folder; a
file in ``do`` named ``verb,argument`` brings a fault about. Nothing here is copied.
"""

import json
import math
import os
import time

_WAIT_S = 0.15  # [wbc] readers return None for a while after the start
_SPEED = 3.0  # of every joint, in commanded units or 30 times that for the lift


class RobotDds:
    def __init__(self):
        self._log = open("calls.jsonl", "a", buffering=1)  # noqa: SIM115
        self._began = self._then = time.monotonic()
        self._at = {
            "arm": [0.1] * 14,
            "gripper": [0.0, 0.0],
            "head": [0.0, 0.3],
            "waist": [0.5, 30.0],
        }
        self._to = {part: list(values) for part, values in self._at.items()}
        self._faults = {}
        self._stamps = {}
        self._note("RobotDds")

    def _note(self, name, *arguments):
        self._log.write(json.dumps([time.monotonic(), name, *arguments]) + "\n")

    def _live(self):
        now = time.monotonic()
        elapsed, self._then = now - self._then, now
        for part, at in self._at.items():
            for index, (a, b) in enumerate(zip(at, self._to[part])):
                most = _SPEED * elapsed * (30 if (part, index) == ("waist", 1) else 1)
                at[index] = a + min(max(b - a, -most), most)
        for name in sorted(os.listdir("do")) if os.path.isdir("do") else ():
            verb, *rest = name.split(",")
            os.unlink(os.path.join("do", name))
            if verb == "heal":
                self._faults.clear()
            elif verb == "hang":
                time.sleep(float(rest[0]))
            else:
                self._faults[verb, rest[0]] = rest[1:]

    def _read(self, name, part, scaled):
        self._live()
        if ("raise", name) in self._faults:
            raise RuntimeError(f"{name}: dds reader is gone")
        if time.monotonic() - self._began < _WAIT_S or ("none", part) in self._faults:
            return [None] * len(scaled), 0
        if ("short", part) in self._faults:
            scaled = scaled[:-1]
        if ("nan", part) in self._faults:
            scaled = [math.nan] * len(scaled)
        if ("freeze", part) not in self._faults:
            self._stamps[part] = time.time_ns()  # [client] nanoseconds
        return scaled, self._stamps[part]

    def arm_joint_states(self):  # [state] 14 values in rad, left arm first
        return self._read("arm_joint_states", "arm", list(self._at["arm"]))

    def gripper_states(self):  # [control] 35.52 where commanded 0
        scale = 1.0 if ("unit", "gripper") in self._faults else 85.0
        zero = 0.0 if scale == 1.0 else 35.0
        values = [zero + scale * value for value in self._at["gripper"]]
        return self._read("gripper_states", "gripper", values)

    def head_joint_states(self):  # [control] "[0.0, 25.000457]": degrees, while move_head has rad
        values = [math.degrees(value) for value in self._at["head"]]
        return self._read("head_joint_states", "head", values)

    def waist_joint_states(self):  # [control] "[0.523, 0.3]" while it is moved to "[0.436, 30.0]"
        pitch, lift = self._at["waist"]
        return self._read("waist_joint_states", "waist", [pitch, lift / 100.0])

    def whole_body_status(self):  # [client] a dictionary of flags, and a stamp
        flags = {
            "left_arm_control": True,
            "right_arm_control": True,
            "left_arm_estop": ("estop", "left") in self._faults,
            "right_arm_estop": False,
            "neck_error": 7 if ("error", "neck") in self._faults else 0,
        }
        return flags, time.time_ns()

    def _move(self, part, values):
        name = f"move_{part}"
        self._note(name, list(values))
        if ("raise", name) in self._faults:
            raise RuntimeError(f"{name}: service is gone")
        if len(values) != len(self._at[part]):
            raise ValueError(f"{name}: {len(values)} values")
        self._to[part] = [float(value) for value in values]

    def move_arm(self, values):  # [test] 14 values, every 10 ms
        self._move("arm", values)

    def move_gripper(self, values):  # [control] 0 open to 1 closed
        self._move("gripper", values)

    def move_head(self, values):  # [hold] yaw and pitch in rad
        self._move("head", values)

    def move_waist(self, values):  # [hold] pitch in rad, lift in cm
        self._move("waist", values)

    def move_wheel(self, linear, angular):  # [control] again every 100 ms
        self._note("move_wheel", [linear, angular])
        if ("raise", "move_wheel") in self._faults:
            raise RuntimeError("move_wheel: service is gone")

    def shutdown(self):  # [hold] must be called
        self._note("shutdown")
