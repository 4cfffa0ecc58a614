"""What the bridge tells the robot, by a clock of the test's: ramps, holds, wheels, faults."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agibot_bridge import machine as bridge
from agibot_bridge.layout import GROUPS, JOINTS, Joint, Layout
from agibot_bridge.machine import FAULT, FOLLOWING, HOLDING, Machine

MS = 1_000_000
CYCLE = 10 * MS
LIFT, GRIP = JOINTS.index("waist_lift_joint"), JOINTS.index("left_gripper_joint1")


def joint(name):
    """Limits and scales of the kinds that the G1 has; test_hardware.py has the true ones."""
    if name in GROUPS["gripper"]:
        return Joint(name, 0.0, 1.0, 2.0, 35.0, 120.0, 0.0, 1.0)
    if name == "waist_lift_joint":
        return Joint(name, 0.0, 0.5, 0.1, 0.0, 1.0, 0.0, 100.0)
    return Joint(name, -1.5, 1.5, 2.0, 0.0, 1.0, 0.0, 1.0)


LAYOUT = Layout(tuple(map(joint, JOINTS)), 0.15, 0.4)
HOME = [0.0] * 14 + [35.0, 35.0] + [0.0, 0.0] + [0.0, 0.3]  # as read
STAMPS = dict.fromkeys(GROUPS, 0)


def told(reading):
    """A reading as a command."""
    return [
        joint.command(joint.measured(value))
        for joint, value in zip(LAYOUT.joints, reading, strict=True)
    ]


class Rig:
    """A machine in a robot that is at once where it was told to be."""

    def __init__(self):
        self.machine = Machine(0.25)
        self.now, self.sequence = 10**12, 0
        self.at = list(HOME)
        self.sent, self.wheels = [], []
        self.measure()
        self.machine.connect(LAYOUT)

    def measure(self):
        self.machine.measure(list(self.at), dict.fromkeys(GROUPS, self.now), self.now)

    def command(self, positions, old=0, sequence=None):
        self.sequence += 1
        number = self.sequence if sequence is None else sequence
        self.machine.command(number, self.now - old, list(positions), self.now)

    def drive(self, forward, yaw, old=0):
        self.machine.drive(self.now - old, forward, yaw, self.now)

    def cycle(self, dt=CYCLE, measure=True):
        self.now += dt
        if measure:
            self.measure()
        orders = self.machine.cycle(self.now, dt)
        if orders.positions is not None:
            self.sent.append((self.now, orders.positions))
            self.at = [
                one.read_zero + one.wanted(value) * (one.read_one - one.read_zero)
                for one, value in zip(LAYOUT.joints, orders.positions, strict=True)
            ]
        if orders.wheels is not None:
            self.wheels.append((self.now, orders.wheels))
        return orders

    def run(self, milliseconds):
        for _ in range(milliseconds // 10):
            self.cycle()


@pytest.fixture
def rig():
    return Rig()


def moved(**changes):
    positions = told(HOME)
    for name, change in changes.items():
        positions[JOINTS.index(name)] += change
    return positions


def test_nothing_is_sent_before_the_first_command(rig):
    rig.run(500)
    assert (rig.sent, rig.wheels) == ([], [])
    assert (rig.machine.mode, rig.machine.reason) == (HOLDING, "no command yet")


def test_a_set_point_takes_40_ms_to_a_command_from_where_the_robot_is(rig):
    rig.command(moved(left_arm_joint1=0.04, waist_lift_joint=0.2))
    rig.run(60)
    ramp = [positions[0] for _, positions in rig.sent]
    assert ramp == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.04, 0.04])
    lift = [positions[LIFT] for _, positions in rig.sent]
    assert lift == pytest.approx([30.05, 30.1, 30.15, 30.2, 30.2, 30.2])  # cm; read as 0.3 m
    assert rig.machine.mode == FOLLOWING


def test_no_joint_is_faster_than_it_may_be_by_half(rig):
    rig.command(moved(left_arm_joint1=1.0, waist_lift_joint=10.0, left_gripper_joint1=1.0))
    rig.run(100)
    rows = [told(HOME), *(positions for _, positions in rig.sent)]
    for index, most in ((0, 3.0), (LIFT, 15.0), (GRIP, 3.0)):
        steps = [b[index] - a[index] for a, b in itertools.pairwise(rows)]
        assert max(steps) == pytest.approx(most * 0.01)


def test_a_call_that_took_long_makes_no_jump(rig):
    rig.command(moved(left_arm_joint1=1.0))
    rig.cycle(200 * MS)
    assert rig.sent[-1][1][0] == pytest.approx(3.0 * 0.02)


def test_silence_holds_and_then_nothing_is_sent(rig):
    rig.command(moved(left_arm_joint1=0.04))
    rig.run(250)
    assert rig.machine.mode == FOLLOWING
    rig.run(20)
    assert (rig.machine.mode, rig.machine.reason) == (HOLDING, "no command for 0.25 s")
    last = rig.now
    rig.run(1000)
    assert rig.sent[-1][1] == pytest.approx(moved(left_arm_joint1=0.04))
    assert 150 * MS < rig.sent[-1][0] - last <= 200 * MS


def test_a_hold_stops_the_set_point_where_it_is(rig):
    rig.command(moved(left_arm_joint1=0.04))
    rig.run(20)
    rig.machine.hold("the driver says so")
    rig.run(300)
    assert rig.sent[-1][1][0] == pytest.approx(0.02)
    assert rig.machine.reason == "the driver says so"


def test_a_grip_outlasts_a_hold_though_the_fingers_are_stopped_by_an_object(rig):
    rig.command(moved(left_gripper_joint1=0.8))
    rig.run(900)
    rig.at[GRIP] = 35 + 85 * 0.5  # an object of half the width
    rig.command(moved(left_arm_joint1=0.01, left_gripper_joint1=0.8))
    rig.cycle()
    assert rig.sent[-1][1][GRIP] == pytest.approx(0.8)


def test_after_a_long_hold_it_starts_where_the_robot_was_moved_to(rig):
    rig.command(moved(left_arm_joint1=0.04))
    rig.run(900)
    rig.at[0] = 0.2
    rig.measure()
    rig.command(moved(left_arm_joint1=0.2))
    rig.cycle()
    assert rig.sent[-1][1][0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda rig: rig.command(moved(), old=251 * MS), "as it was 0.251 s ago"),
        (lambda rig: rig.command(moved(), old=-1), "as it was -0.000 s ago"),
        (lambda rig: rig.command(moved(), sequence=0), "command 0 came after 0"),
        (lambda rig: rig.command(moved(left_arm_joint1=1.51)), r"left_arm_joint1: command 1.51 is"),
        (lambda rig: rig.command(moved(waist_lift_joint=21)), r"51 is outside \[0, 50\]"),
        (lambda rig: rig.drive(0.16, 0.0), "at most 0.15 m/s and 0.4 rad/s, got 0.16 and 0"),
        (lambda rig: rig.drive(0.0, 0.1), "only while commands are followed: no command yet"),
        (lambda rig: rig.drive(0.0, 0.0, old=300 * MS), "as it was 0.300 s ago"),
    ],
)
def test_what_is_refused_changes_nothing(rig, spoil, match):
    spoil(rig)
    assert rig.machine.refused == 1
    with pytest.raises(ValueError, match=match):
        raise ValueError(rig.machine.last_refusal)
    rig.run(300)
    assert (rig.sent, rig.wheels, rig.machine.mode) == ([], [], HOLDING)


def test_wheels_are_left_alone_until_they_roll_and_are_stopped_at_once(rig):
    for _ in range(20):
        rig.command(moved())
        rig.drive(0.0, 0.0)
        rig.cycle()
    assert rig.wheels == []
    for _ in range(40):
        rig.command(moved())
        rig.drive(0.1, -0.2)
        rig.cycle()
    assert len(rig.wheels) == 8  # 20 a second
    assert {wheels for _, wheels in rig.wheels} == {(0.1, -0.2)}
    rig.wheels.clear()
    rig.command(moved())
    rig.drive(0.0, 0.0)
    rig.cycle()
    assert rig.wheels == [(rig.now, (0.0, 0.0))]
    rig.run(2000)
    assert 15 <= len(rig.wheels) <= 22  # a second long, then the robot's own ways have them


def test_wheels_stop_without_a_velocity_though_joints_are_commanded(rig):
    rig.command(moved())
    rig.drive(0.1, 0.0)
    for _ in range(60):
        rig.command(moved())
        rig.cycle()
    rolled = [now for now, wheels in rig.wheels if any(wheels)]
    assert rolled[-1] - rolled[0] <= 250 * MS
    assert rig.wheels[-1][1] == (0.0, 0.0)
    assert rig.machine.mode == FOLLOWING


def test_a_fault_stays_until_it_is_cleared_and_only_stands_still(rig):
    rig.command(moved(left_arm_joint1=0.5))
    rig.drive(0.1, 0.0)
    rig.cycle()
    rig.machine.fault("move_arm failed")
    rig.machine.fault("and then something else")
    rig.sent.clear()
    rig.wheels.clear()
    for _ in range(50):
        rig.command(moved())
        rig.drive(0.1, 0.0)
        rig.cycle()
    assert rig.sent == []
    assert {wheels for _, wheels in rig.wheels} == {(0.0, 0.0)}
    rig.machine.hold("no")
    rig.machine.disconnect("gone")
    rig.machine.connect(LAYOUT)
    assert (rig.machine.mode, rig.machine.reason) == (FAULT, "move_arm failed")
    assert rig.machine.clear() is None
    rig.command(moved(), sequence=1)
    assert rig.machine.mode == FOLLOWING


def test_states_that_stop_are_a_fault_of_that_part(rig):
    for _ in range(52):
        rig.now += CYCLE
        stamps = dict.fromkeys(GROUPS, rig.now) | {"head": 5}
        rig.machine.measure(list(rig.at), stamps, rig.now)
    assert rig.machine.mode == FAULT
    assert rig.machine.reason == "the head's states have stopped: no new one for 0.5 s"
    assert "does not report" in rig.machine.clear()
    rig.measure()
    assert rig.machine.clear() is None


@pytest.mark.parametrize(
    ("name", "reading", "match"),
    [
        ("left_gripper_joint1", 0.4, "left_gripper_joint1 reads 0.4, expected about 35 to 120"),
        ("right_gripper_joint1", 200.0, "right_gripper_joint1 reads 200, expected"),
        ("head_pitch_joint", 25.0, "head_pitch_joint reads 25, expected about -1.5 to 1.5"),
        ("waist_lift_joint", 30.0, "waist_lift_joint reads 30, expected about 0 to 0.5"),
    ],
)
def test_a_reading_in_another_unit_is_a_fault(rig, name, reading, match):
    rig.at[JOINTS.index(name)] = reading
    rig.measure()
    assert rig.machine.mode == FAULT
    assert match in rig.machine.reason
    assert match in rig.machine.clear()


def test_the_robots_own_stop_is_a_fault_until_it_is_released(rig):
    rig.machine.stopped("left_arm_estop True")
    assert rig.machine.reason == "the robot says left_arm_estop True"
    assert rig.machine.clear() == "the robot says left_arm_estop True"
    rig.machine.stopped(None)
    assert rig.machine.clear() is None


EVENTS = st.one_of(
    st.tuples(st.just("cycle"), st.integers(1, 60)),
    st.tuples(
        st.just("command"),
        st.lists(st.floats(-0.3, 1.3), min_size=20, max_size=20),
        st.integers(0, 400),
    ),
    st.tuples(st.just("drive"), st.floats(-0.2, 0.2), st.floats(-0.5, 0.5), st.integers(0, 400)),
    st.tuples(st.just("hold")),
    st.tuples(st.just("fault")),
    st.tuples(st.just("clear")),
    st.tuples(st.just("lose")),
    st.tuples(st.just("reconnect")),
)


@settings(max_examples=150)
@given(st.lists(EVENTS, max_size=60))
def test_no_order_of_events_moves_it_wrongly(events):
    rig = Rig()
    driven_ns, followed = -(10**18), None
    for kind, *values in events:
        if kind == "cycle":
            before, old_set_point = told(rig.at), rig.sent[-1:]
            orders = rig.cycle(values[0] * MS)
            if orders.positions is not None:
                assert LAYOUT.refusal(orders.positions) is None
                recent = old_set_point and rig.now - old_set_point[0][0] < 200 * MS
                start = old_set_point[0][1] if recent else before
                for one, a, b in zip(LAYOUT.joints, start, orders.positions, strict=True):
                    scale = abs(one.told_one - one.told_zero)
                    most = bridge.CATCH_UP * one.velocity * scale * 0.02 + 1e-9
                    if one.name not in GROUPS["gripper"]:
                        assert abs(b - a) <= most
                assert rig.machine.mode != FAULT
            if orders.wheels is not None and any(orders.wheels):
                assert rig.machine.mode == FOLLOWING
                assert rig.now - driven_ns <= 250 * MS
        elif kind == "command":
            shares, old = values
            positions = [
                one.command(one.lower + share * (one.upper - one.lower))
                for one, share in zip(LAYOUT.joints, shares, strict=True)
            ]
            rig.command(positions, old * MS)
        elif kind == "drive":
            taken = rig.machine.refused
            rig.drive(values[0], values[1], values[2] * MS)
            if rig.machine.refused == taken:
                driven_ns = rig.now
        elif kind == "lose":
            rig.machine.lose("gone")
            rig.measure()
        elif kind == "reconnect":
            rig.machine.disconnect("gone")
            rig.machine.connect(LAYOUT)
        elif kind == "clear":
            followed = rig.machine.clear()
        else:
            getattr(rig.machine, kind)(kind)
    assert followed is None


def test_another_robots_layout_is_refused():
    message = {"type": "hello", **LAYOUT.message()}
    assert Layout.parse(message) == LAYOUT
    joints = message["joints"]
    for change, match in (
        ({"joints": joints[:-1]}, "got 19 joints"),
        ({"joints": [joints[1], joints[0], *joints[2:]]}, "joint2 in place of left_arm_joint1"),
        ({"joints": [{**joints[0], "upper": -9.0}, *joints[1:]]}, "make no sense"),
        ({"joints": [{**joints[0], "told": [1.0, 1.0]}, *joints[1:]]}, "make no sense"),
        ({"joints": [{**joints[0], "read": [1.0]}, *joints[1:]]}, "read: expected 2 finite"),
        ({"forward": 0.0}, "the base's limits"),
        ({"yaw": None}, "yaw: expected a finite number"),
    ):
        with pytest.raises(ValueError, match=match):
            Layout.parse({**message, **change})
