"""The bridge's process over a real socket, with the fake SDK in it and without."""

import itertools
import os
import signal
import socket
import statistics
import struct
import time

import pytest

from agibot_bridge import frames
from agibot_bridge.frames import Decoder, VersionError, encode
from agibot_bridge.layout import GROUPS, JOINTS, Joint, Layout

pytestmark = pytest.mark.slow

RANGES = {"arm": (-3.1, 3.1), "gripper": (0.0, 1.0), "head": (-1.5, 1.5), "waist": (-0.5, 1.5)}
SCALES = {"gripper": (35.0, 120.0, 0.0, 1.0)}
LAYOUT = Layout(
    tuple(
        Joint(name, 0.0, 0.5, 0.1, 0.0, 1.0, 0.0, 100.0)
        if name == "waist_lift_joint"
        else Joint(name, *RANGES[part], 2.0, *SCALES.get(part, (0.0, 1.0, 0.0, 1.0)))
        for part, names in GROUPS.items()
        for name in names
    ),
    0.15,
    0.4,
)
READ = [0.1] * 14 + [35.0, 35.0] + [0.0, 0.3] + [0.5, 0.3]  # the fake robot's pose as read
POSE = [0.1] * 14 + [0.0, 0.0] + [0.0, 0.3] + [0.5, 30.0]  # and as commanded


class Client:
    """A driver's end, without a thread."""

    def __init__(self, port, greet=True, buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(5)
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect(("127.0.0.1", port))
        self.decoder, self.states, self.others = Decoder(), [], []
        self.sequence = self.pinged = 0
        self.greeted = greet
        if greet:
            self.send("hello", **LAYOUT.message())

    def send(self, kind, **fields):
        self.socket.sendall(encode({"type": kind, **fields}))

    def listen(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.greeted and time.monotonic() - self.pinged > 0.1:
                self.pinged = time.monotonic()
                self.send("ping", sent_ns=time.monotonic_ns())
            self.socket.settimeout(min(left, 0.1))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise ConnectionError("ended")
            for message in self.decoder.feed(data):
                (self.states if message["type"] == "state" else self.others).append(message)

    def until(self, done, seconds=5):
        end = time.monotonic() + seconds
        while not (self.states and done(self.states[-1])):
            assert time.monotonic() < end, self.states[-1:]
            self.listen(0.02)
        return self.states[-1]

    def ready(self):
        self.until(lambda state: state["positions"] is not None)
        return self

    def command(self, positions, seen=None):
        self.sequence += 1
        seen = self.states[-1]["stamp_ns"] if seen is None else seen
        self.send("command", sequence=self.sequence, seen_ns=seen, positions=positions)

    def drive(self, forward, yaw):
        seen = self.states[-1]["stamp_ns"]
        self.send("base", seen_ns=seen, forward=forward, yaw=yaw)

    def follow(self, positions, seconds, wheels=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.command(positions)
            if wheels:
                self.drive(*wheels)
            self.listen(1 / 30)


@pytest.fixture
def client(bridge):
    client = Client(bridge.port).ready()
    yield client
    client.socket.close()


def shifted(**changes):
    positions = list(POSE)
    for name, change in changes.items():
        positions[JOINTS.index(name)] += change
    return positions


def test_order_rates_units_and_wheels(bridge, client):
    assert client.others[0]["type"] == "welcome"
    assert client.states[-1]["positions"] == pytest.approx(READ)
    client.listen(0.3)
    assert [call[1] for call in bridge.calls()] == ["RobotDds"]  # nothing moves by itself
    goal = shifted(
        left_arm_joint1=0.1, right_arm_joint7=-0.1, left_gripper_joint1=1.0,
        right_gripper_joint1=0.4, head_yaw_joint=0.2, waist_pitch_joint=0.1, waist_lift_joint=4.0,
    )  # fmt: skip
    client.follow(goal, 1.5, (0.1, -0.2))
    state = client.states[-1]
    assert state["mode"] == "following"
    assert (state["refused"], state["taken"] > 30) == (0, True)
    measured = dict(zip(JOINTS, state["positions"], strict=True))
    assert measured["left_arm_joint1"] == pytest.approx(0.2)
    assert measured["left_gripper_joint1"] == pytest.approx(120.0)  # closed; commanded 1
    assert measured["right_gripper_joint1"] == pytest.approx(69.0)
    assert measured["head_yaw_joint"] == pytest.approx(0.2)  # rad, though the SDK reads degrees
    assert measured["waist_lift_joint"] == pytest.approx(0.34)  # m; commanded 34 cm
    calls = bridge.calls("move_arm", "move_gripper", "move_head", "move_waist")
    assert [call[1] for call in calls[:8]] == [f"move_{part}" for part in GROUPS] * 2
    last = {call[1]: call[2] for call in calls}
    assert [one for part in GROUPS for one in last[f"move_{part}"]] == pytest.approx(goal)
    times = [call[0] for call in bridge.calls("move_arm")]
    assert statistics.median(b - a for a, b in itertools.pairwise(times)) == pytest.approx(
        0.01, rel=0.3
    )
    rows = [call[2] for call in bridge.calls("move_arm")]
    assert max(abs(b[0] - a[0]) for a, b in itertools.pairwise(rows)) <= 3.0 * 0.02 + 1e-9
    wheels = bridge.calls("move_wheel")
    assert {tuple(call[2]) for call in wheels} == {(0.1, -0.2)}
    times = [call[0] for call in wheels]
    assert 10 <= 1 / statistics.median(b - a for a, b in itertools.pairwise(times)) <= 30
    assert client.states[-1]["stamp_ns"] > client.states[-2]["stamp_ns"]


def test_silence_ends_motion_and_the_next_command_begins_it_again(bridge, client):
    client.follow(shifted(left_arm_joint1=0.1), 0.3, (0.1, 0.0))
    state = client.until(lambda state: state["mode"] == "holding")
    assert state["reason"] == "no command for 0.25 s"
    client.listen(0.5)
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    count = len(bridge.calls("move_arm"))
    client.listen(0.2)
    assert len(bridge.calls("move_arm")) == count  # the hold was sent for a while, then nothing
    client.follow(POSE, 0.2)
    assert client.states[-1]["mode"] == "following"


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_driver_that_is_gone_is_a_hold_and_its_robot_is_free_again(bridge, client, end):
    client.follow(shifted(left_arm_joint1=0.1), 0.3, (0.1, 0.0))
    if end == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gone = time.monotonic()
    client.socket.close()
    other = Client(bridge.port).ready()
    assert other.states[-1]["mode"] == "holding"
    wheels = [call for call in bridge.calls("move_wheel") if call[0] > gone + 0.1]
    assert {tuple(call[2]) for call in wheels} <= {(0.0, 0.0)}
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    assert "is gone" in bridge.log
    other.socket.close()


def test_a_driver_that_stops_reading_and_writing_is_let_go(bridge, client):
    client.follow(shifted(left_arm_joint1=0.1), 0.3, (0.1, 0.0))
    for _ in range(5):  # what they go on to say may not reset away what they are told
        other = Client(bridge.port)
        with pytest.raises(ConnectionError):
            other.listen(5)
        refused = other.others[0]
    assert refused["reason"].startswith("busy: the driver at 127.0.0.1:")
    end = time.monotonic() + 5
    while "nothing came from it for 1 s" not in bridge.log:
        assert time.monotonic() < end, bridge.log
        time.sleep(0.05)
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    other = Client(bridge.port).ready()
    other.socket.close()


def test_who_only_looks_whether_it_serves_disturbs_nobody(bridge, client):
    client.follow(POSE, 0.2)
    for _ in range(5):
        socket.create_connection(("127.0.0.1", bridge.port)).close()
        client.follow(POSE, 0.1)
    assert (client.states[-1]["mode"], client.states[-1]["refused"]) == ("following", 0)
    client.socket.close()
    end = time.monotonic() + 10.0
    while "is gone:" not in bridge.log and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)  # the mode follows the log, unless the robot was holding by then
    first = bridge.log.count("is gone:")
    assert first in (1, 2)
    for _ in range(5):
        socket.create_connection(("127.0.0.1", bridge.port)).close()
    again = Client(bridge.port).ready()  # served after all of them
    assert bridge.log.count("is gone:") == first
    assert again.states[-1]["mode"] == "holding"
    again.socket.close()


def test_a_driver_that_writes_but_does_not_read_is_let_go(bridge):
    client = Client(bridge.port, buffer=4096)
    end = time.monotonic() + 20
    with pytest.raises(OSError):  # noqa: PT012
        while time.monotonic() < end:
            client.send("ping", sent_ns=0)
            time.sleep(0.01)
    assert "it does not read what it is sent" in bridge.log


def test_a_command_that_waited_on_the_way_is_refused(bridge, client):
    old = client.states[-1]["stamp_ns"]
    client.listen(0.4)
    client.command(shifted(left_arm_joint1=0.1), seen=old)
    state = client.until(lambda state: state["refused"] == 1)
    assert "the command knows the robot as it was 0." in state["last_refusal"]
    assert (state["mode"], bridge.calls("move_arm")) == ("holding", [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "begins with b'DZG1'"),
        (os.urandom(3) + b"\0" * 4096, "begins with"),
        (struct.pack("!4sHI", b"DZG1", 1, 2**30), "a message of 1073741824"),
        (struct.pack("!4sHI", b"DZG1", 1, 3) + b"{{{", "not a message"),
        (encode({"type": "command"}), "sequence: expected an integer"),
        (encode({"type": "dance"}), "got type 'dance'"),
    ],
)
def test_garbage_ends_the_connection_and_motion_but_not_the_bridge(bridge, client, data, reason):
    client.follow(shifted(left_arm_joint1=0.1), 0.3, (0.1, 0.0))
    client.socket.sendall(data)
    with pytest.raises(OSError):
        client.listen(5)
    assert reason in next(m["reason"] for m in client.others if m["type"] == "refused")
    again = Client(bridge.port).ready()
    assert again.states[-1]["mode"] == "holding"
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    again.follow(POSE, 0.2)
    assert again.states[-1]["mode"] == "following"
    again.socket.close()


def test_another_version_is_said_in_a_header_that_it_can_read(bridge):
    client = Client(bridge.port, greet=False)
    body = b'{"type":"hello"}'
    client.socket.sendall(struct.pack("!4sHI", b"DZG1", 2, len(body)) + body)
    with pytest.raises(OSError):
        client.listen(5)
    assert "version 1 of the protocol, got 2" in client.others[0]["reason"]
    ours = struct.pack("!4sHI", b"DZG1", frames.VERSION + 1, 0)
    with pytest.raises(VersionError, match="version 1 of the protocol, got 2"):
        Decoder().feed(ours)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({"type": "command", "sequence": 1}, "expected hello first, got command"),
        ({"type": "hello", **LAYOUT.message(), "joints": []}, "got 0 joints"),
        ({"type": "hello"}, "joints: expected a list of objects"),
    ],
)
def test_a_wrong_greeting_is_refused(bridge, first, reason):
    client = Client(bridge.port, greet=False)
    client.socket.sendall(encode(first))
    with pytest.raises(OSError):
        client.listen(5)
    assert reason in client.others[0]["reason"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise,move_arm", "move_arm failed: RuntimeError: move_arm: service is gone"),
        ("raise,move_wheel", "move_wheel failed: RuntimeError: move_wheel: service is gone"),
        ("raise,waist_joint_states", "waist_joint_states failed: RuntimeError"),
        ("none,head", "the SDK has no states for 0.5 s"),
        ("short,arm", "arm_joint_states: expected 14 numbers, got"),
        ("nan,gripper", "gripper_states: expected 2 numbers, got"),
        ("freeze,gripper", "the gripper's states have stopped: no new one for 0.5 s"),
        ("unit,gripper", "left_gripper_joint1 reads 0, expected about 35 to 120"),
        ("estop,left", "the robot says left_arm_estop True"),
        ("error,neck", "the robot says neck_error 7"),
    ],
)
def test_a_fault_of_the_sdk_stays_until_an_operator_clears_it(bridge, client, fault, reason):
    client.follow(POSE, 0.2, (0.1, 0.0))
    bridge.do(fault)
    end = time.monotonic() + 5
    while client.states[-1]["mode"] != "fault":
        assert time.monotonic() < end
        client.follow(POSE, 0.05, (0.1, 0.0))
    assert client.states[-1]["reason"].startswith(reason)
    faulted = time.monotonic()
    client.follow(POSE, 0.3, (0.1, 0.0))
    assert not [call for call in bridge.calls("move_arm") if call[0] > faulted + 0.05]
    assert not [c for c in bridge.calls("move_wheel") if c[0] > faulted + 0.05 and any(c[2])]
    bridge.do("heal,all")
    client.listen(0.5)
    assert client.states[-1]["mode"] == "fault"  # the cause is gone, the fault is not
    client.send("clear", number=3)
    state = client.until(lambda state: state["mode"] == "holding")
    assert state["reason"] == "fault cleared; no command since"
    assert {"type": "cleared", "number": 3, "refusal": ""} in client.others
    client.follow(POSE, 0.2)
    assert client.states[-1]["mode"] == "following"


def test_a_fault_whose_cause_is_there_is_not_cleared(bridge, client):
    bridge.do("estop,left")
    client.until(lambda state: state["mode"] == "fault")
    client.send("clear", number=1)
    client.listen(0.3)
    cleared = next(message for message in client.others if message["type"] == "cleared")
    assert cleared["refusal"] == "the robot says left_arm_estop True"
    assert client.states[-1]["mode"] == "fault"


def test_a_call_that_hangs_is_seen_as_silence_and_old_commands_are_refused(bridge, client):
    client.follow(POSE, 0.2, (0.1, 0.0))
    (bridge.folder / "do" / "hang,0.6").touch()
    count, end = len(client.states), time.monotonic() + 0.5
    while time.monotonic() < end:
        client.command(shifted(left_arm_joint1=0.3))
        client.listen(1 / 30)
    assert len(client.states) - count < 15  # of 50: no news while it hangs
    client.listen(0.5)
    assert "the command knows the robot as it was" in client.states[-1]["last_refusal"]
    client.follow(POSE, 0.2)
    assert client.states[-1]["mode"] == "following"


def test_clocks_are_told(client):
    before = time.monotonic_ns(), time.time_ns()
    client.send("ping", sent_ns=before[0])
    client.listen(0.2)
    pong = next(message for message in client.others if message.get("sent_ns") == before[0])
    assert before[0] < pong["monotonic_ns"] < time.monotonic_ns()
    assert abs(pong["wall_ns"] - before[1]) < 10**9


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_wheels_and_sdk_last(bridge, client, number):
    client.follow(POSE, 0.3, (0.1, 0.0))
    bridge.child.send_signal(number)
    assert bridge.child.wait(5) == 0
    names = [call[1] for call in bridge.calls()]
    assert names[-1] == "shutdown"
    assert bridge.calls("move_wheel")[-1][2] == [0.0, 0.0]
    with pytest.raises(OSError):
        client.listen(5)


def test_a_missing_sdk_is_one_line_that_says_what_to_install(make_bridge):
    bridge = make_bridge(sdk=False)
    assert bridge.child.wait(20) == 2
    (line,) = bridge.log.splitlines()
    assert "install AgiBot's GDK for the G1 from the robot's own server" in line
    assert "env.sh" in line


def test_a_missing_or_bad_argument_is_named(make_bridge):
    for words, match in (
        (("--port", "0"), "--head-reads"),
        (("--head-reads", "auto"), "invalid choice: 'auto'"),
        (("--head-reads", "degrees", "--hold-after", "9"), "expected 0.05 to 1, got 9.0"),
    ):
        bridge = make_bridge(*words)
        assert bridge.child.wait(20) == 2
        assert match in bridge.log


def test_a_port_that_is_taken_is_named(bridge, make_bridge):
    other = make_bridge("--head-reads", "degrees", port=bridge.port)
    assert other.child.wait(20) == 2
    assert "cannot serve on 127.0.0.1" in other.log


def test_a_head_that_reads_degrees_is_not_taken_for_radians(make_bridge):
    bridge = make_bridge("--head-reads", "radians").serving()
    client = Client(bridge.port)
    state = client.until(lambda state: state["mode"] == "fault")
    assert "head_pitch_joint reads 17.18" in state["reason"]
    client.socket.close()


def test_a_flag_that_the_operator_knows_does_not_end_motion(make_bridge):
    bridge = make_bridge("--head-reads", "degrees", "--ignore-status", "neck_error").serving()
    client = Client(bridge.port).ready()
    bridge.do("error,neck")
    client.follow(POSE, 0.6)
    assert client.states[-1]["mode"] == "following"
    client.socket.close()
