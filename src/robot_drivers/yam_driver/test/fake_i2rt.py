"""i2rt's arms without a robot: the calls that the driver makes, with what they do in silence.

Read in github.com/i2rt-robotics/i2rt at 5d47b35; each behaviour names its place:

[robot] i2rt/robots/motor_chain_robot.py
[chain] i2rt/motor_drivers/dm_driver.py
[open]  i2rt/robots/get_robot.py
[calib] i2rt/robots/utils.py, detect_gripper_limits
[enc]   i2rt/utils/encoder_manager.py
[readme] README.md, "Safety timeout"

Time is the caller's (``step``), or a thread's where ``run`` was called. Nothing here is copied.
"""

import sys
import threading
import time
import types
from enum import Enum

import numpy as np

RANGES = np.array(  # i2rt/robot_models/arm/yam/yam.xml
    [(-2.618, 3.1416), (0.0, 3.665), (0.0, 3.1416), (-1.693, 1.571), (-1.571, 1.571),
     (-2.094, 2.094)]
)  # fmt: skip
CLIP = 0.15  # [open] "safety buffer"
ERROR = 0.1  # [robot] _check_current_qpos_in_joint_limits
KP = np.array([80.0, 80.0, 80.0, 10.0, 10.0, 10.0, 20.0])  # config/yam.yml, linear_4310.yml
KD = np.array([5.0, 5.0, 5.0, 1.5, 1.5, 1.5, 0.5])
FLOAT_KD = np.array([0.1, 0.1, 0.1, 0.3, 0.05, 0.05, 0.0])
TIMEOUT_S = 0.4  # [readme]
CYCLE_S = 0.004  # [chain] CONTROL_FREQ


class ArmType(Enum):
    YAM = "yam"
    YAM_PRO = "yam_pro"
    YAM_ULTRA = "yam_ultra"

    @classmethod
    def from_string_name(cls, name):
        return cls(name)


class GripperType(Enum):
    LINEAR_4310 = "linear_4310"
    LINEAR_3507 = "linear_3507"
    FLEXIBLE_4310 = "flexible_4310"
    CRANK_4310 = "crank_4310"
    YAM_TEACHING_HANDLE = "yam_teaching_handle"

    @classmethod
    def from_string_name(cls, name):
        return cls(name)


class EncoderInfo:
    """[chain] PassiveEncoderInfo."""

    def __init__(self, position=0.0, io_inputs=(False, False)):
        self.position, self.io_inputs = position, list(io_inputs)


class MotorChain:
    """[chain] DMChainCanInterface: ``running`` false for good after an error, and nobody told."""

    def __init__(self, channel):
        self.channel, self.running = channel, True
        self.handle = None

    def get_same_bus_device_states(self):
        return self.handle


class FakeArm:
    """[robot] MotorChainRobot, and a joint that follows its gains.

    Attributes:
        calls: what was called, in order.
        sent: targets as they went to the motors, one per cycle, for ever.
        frames: cycles in which the motors were told something.
        cut: targets that were clipped in silence.
    """

    def __init__(self, channel, pose=None, gripper_limits=(6.57, 0.0), motors=7, floating=False):
        self.motor_chain = MotorChain(channel)
        self.calls, self.sent, self.cut = [], [], []
        self.frames, self.closed, self.damping_s = 0, False, 0.0
        self.fail_calls = None
        self._stuck = self._server_dead = False
        self._motors = motors
        limits = RANGES + np.array([-CLIP, CLIP])
        self._info = {
            "joint_limits": limits,
            "gripper_limits": np.array(gripper_limits),
            "kp": KP[:motors].copy(),
            "kd": KD[:motors].copy(),
            "grav_comp_kd": FLOAT_KD[:motors].copy(),
        }
        self._pos = np.zeros(motors) if pose is None else np.array(pose, dtype=float)
        self._vel = np.zeros(motors)
        self._kp, self._kd = self._info["kp"], self._info["kd"]  # [robot] its own arrays
        self._commands = (self._pos.copy(), np.zeros(motors), FLOAT_KD[:motors])
        self._thread, self._ended = None, threading.Event()
        self._lock = threading.Lock()
        self._load = np.zeros(motors)
        self._due_s = 0.0
        if not floating:  # [robot] __init__: zero_gravity_mode False commands the present pose
            self._commands = (self._pos.copy(), self._kp, self._kd)

    # What i2rt offers.

    def num_dofs(self):
        return self._motors

    def get_joint_pos(self):
        return self._pos  # [robot] no copy; a new array in every cycle

    def get_observations(self):
        n = 6  # [robot] views of its own arrays, the gripper's a new one
        return {
            "joint_pos": self._pos[:n],
            "joint_vel": self._vel[:n],
            "joint_eff": np.zeros(n),
            "gripper_pos": np.array([self._pos[n]]),
            "gripper_vel": np.array([self._vel[n]]),
        }

    def get_robot_info(self):
        return self._info  # [robot] its own arrays

    def command_joint_pos(self, joint_pos):
        self.calls.append("command_joint_pos")
        self._maybe_fail()
        target = self._clipped(joint_pos)
        with self._lock:
            self._commands = (target.copy(), self._kp, self._kd)

    def command_joint_state(self, joint_state):
        self.calls.append("command_joint_state")
        self._maybe_fail()
        target = self._clipped(joint_state["pos"])
        with self._lock:
            gains = joint_state.get("kp", self._kp), joint_state.get("kd", self._kd)
            self._commands = (target.copy(), *gains)

    def zero_torque_mode(self):
        self.calls.append("zero_torque_mode")
        with self._lock:  # [robot] the stored gains too: later commands do nothing
            self._kp, self._kd = np.zeros(self._motors), np.zeros(self._motors)
            self._commands = (self._pos.copy(), self._kp, self._kd)

    def update_kp_kd(self, kp, kd):
        self.calls.append("update_kp_kd")
        assert kp.shape == self._kp.shape == kd.shape
        self._kp, self._kd = kp, kd  # [robot] the caller's arrays

    def close(self):
        self.calls.append("close")
        self.closed = True  # [robot] ends the loop and the bus; no torque is set to anything
        self._ended.set()
        self.motor_chain.running = False

    # What tests do to it.

    @property
    def target(self):
        return self._commands[0].copy()

    @property
    def stiffness(self):
        return np.array(self._commands[1])

    @property
    def pose(self):
        return self._pos.copy()

    def push(self, joint, radians):
        """Somebody, or gravity, moves a joint."""
        with self._lock:
            self._pos = self._pos.copy()
            self._pos[joint] += radians

    def load(self, joint, offset):
        """A weight: where stiffness holds a joint it hangs lower than its target by so much."""
        self._load[joint] = offset

    def set_reading(self, joint, value):
        with self._lock:
            self._pos = self._pos.copy()
            self._pos[joint] = value

    def fail_bus(self):
        """[chain] the control loop prints a line, sets running to False, and its thread ends."""
        self.motor_chain.running = False

    def stall(self):
        """[robot] its server thread ends ("too large torques"); the chain sends on for ever."""
        self._server_dead = True

    def resume(self):
        self._server_dead = False

    def step(self, seconds=CYCLE_S):
        """Time passes: cycles of the control loop."""
        self._due_s += seconds
        while self._due_s > CYCLE_S / 2:
            self._due_s -= CYCLE_S
            self._cycle()

    def run(self):
        """Time passes by itself from now on."""

        def loop():
            while not self._ended.wait(CYCLE_S):
                self._cycle()

        self._thread = threading.Thread(target=loop, daemon=False)  # [robot] no daemon
        self._thread.start()
        return self

    def _cycle(self):
        if not self.motor_chain.running:
            self.damping_s += CYCLE_S  # [readme] damping 400 ms after the last frame
            return
        with self._lock:
            target, kp, _ = self._commands
            if self._server_dead:
                self.frames += 1
                return
            self.frames += 1
            self.sent.append(target.copy())
            speed = np.where(kp > 0, (target - self._load - self._pos) * 20.0, 0.0)
            self._vel = np.clip(speed, -4.0, 4.0)
            self._pos = self._pos + self._vel * CYCLE_S  # [robot] a new JointStates every cycle
            if self.motor_chain.handle is not None:
                self.motor_chain.handle = list(self.motor_chain.handle)
        low, high = RANGES.T
        arm = self._pos[:6]
        if (arm < low - CLIP - ERROR).any() or (arm > high + CLIP + ERROR).any():
            self.motor_chain.running = False  # [robot] _check_current_qpos_in_joint_limits

    def _clipped(self, joint_pos):
        """[robot] _clip_robot_joint_pos_command: in the caller's own array, without a word."""
        before = joint_pos[:6].copy()
        joint_pos[:6] = np.clip(joint_pos[:6], *self._info["joint_limits"].T)
        if not np.array_equal(before, joint_pos[:6]):
            self.cut.append(before)
        return joint_pos

    def _maybe_fail(self):
        if self.fail_calls is not None:
            raise self.fail_calls


class FakeEncoders:
    """[enc] PassiveJointEncoder: silent until asked to report, or without power."""

    def __init__(self, counts=(0,) * 7, inputs=0, reporting=True):
        self.counts, self.inputs = list(counts), inputs
        self.reporting, self.silent, self.frequency = reporting, set(), None

    def set_report_frequency(self, frequency):
        self.frequency, self.reporting = frequency, True

    def wait_for_report(self, timeout=None):
        time.sleep(min(timeout or 0.0, 0.002))
        if not self.reporting:
            return []
        return [
            types.SimpleNamespace(device=device, position=counts, velocity=0, inputs=self.inputs)
            for device, counts in enumerate(self.counts)
            if device not in self.silent
        ]


def install(arms, encoders=None):
    """Puts the fake where the driver imports i2rt from.

    Args:
        arms: by channel: a ``FakeArm``, or an exception that opening it raises.
        encoders: ``FakeEncoders`` by channel.

    Returns:
        The arguments of every ``get_yam_robot``.
    """
    opened = []

    def get_yam_robot(**arguments):
        opened.append(arguments)
        arm = arms[arguments["channel"]]
        if isinstance(arm, Exception):
            raise arm
        given = arguments.get("gripper_limits_override")
        if given is None:
            arm.calls.append("calibration")  # [calib] drives the gripper into both stops
        else:
            arm._info["gripper_limits"] = given
        return arm

    def module(name, **contents):
        made = types.ModuleType(name)
        vars(made).update(contents)
        sys.modules[name] = made

    module("i2rt")
    module("i2rt.robots")
    module("i2rt.robots.get_robot", get_yam_robot=get_yam_robot)
    module("i2rt.robots.utils", ArmType=ArmType, GripperType=GripperType)
    module("i2rt.utils")
    module(
        "i2rt.utils.encoder_manager", PassiveJointEncoder=lambda channel: (encoders or {})[channel]
    )
    bus = types.SimpleNamespace(Bus=lambda interface, channel, bitrate: channel)
    module("can", interface=bus)
    return opened


def interfaces(folder, *names, up=True):
    """The kernel's list of CAN interfaces (/sys/class/net): its path."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "type").write_text("280\n")
        (folder / name / "flags").write_text("0x40081\n" if up else "0x40080\n")
    return folder
