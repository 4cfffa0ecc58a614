"""A node as a process of its own, and a bench node that talks to it over DDS."""

import time
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("rclpy"):
    from dreamzero_msgs import msg as dz
    from geometry_msgs.msg import Twist
    from rclpy.qos import QoSProfile
    from sensor_msgs.msg import JointState
    from std_srvs.srv import SetBool, Trigger

    from dreamzero_policy.messages.chunks import chunk_message
    from dreamzero_policy.messages.joints import Proprioception, proprioception_message
    from dreamzero_policy.ros import qos
else:
    collect_ignore_glob = ["test_*.py"]

from dreamzero_policy import embodiments
from dreamzero_policy.types import ActionChunk


class Plant:
    """Around a controller: a robot that is where it was told to be, and a policy with a script.

    Attributes:
        commands, statuses, authorities, velocities: what the controller has said.
        pose: [A] model units.
    """

    def __init__(self, bench, process, robot):
        self.bench, self.process, self.robot = bench, process, embodiments.get(robot)
        self.home = np.array(self.robot.home)
        self.pose, self.sequence, self.session, self.policy = self.home.copy(), 0, 1, 0
        every = QoSProfile(depth=1000)
        node = bench.node
        self.commands = bench.listen(JointState, "joint_commands", every)
        self.velocities = bench.listen(Twist, "base_command", every)
        self.statuses = bench.listen(dz.ControllerStatus, "controller_status", qos.STATUS)
        self.authorities = bench.listen(dz.Authority, "authority", qos.STATUS)
        self.states = node.create_publisher(dz.Proprioception, "proprioception", qos.STATE)
        self.chunks = node.create_publisher(dz.ActionChunk, "action_chunk", qos.CHUNK)
        self.clients = {
            name: node.create_client(kind, f"controller/{name}")
            for name, kind in (
                ("enable", SetBool),
                ("estop", Trigger),
                ("reset_estop", Trigger),
                ("release", SetBool),
            )
        }
        self._measured = [self.robot.action_joints.index(name) for name in self.robot.state_joints]
        node.create_timer(1 / 30, self.measure)

    def measure(self):
        if self.commands:
            self.pose = self.units(self.commands[-1])
        positions = self.pose[self._measured]
        state = Proprioception(
            self.bench.now_ns(), self.robot.state_joints, positions, 0 * positions, {}
        )
        self.states.publish(proprioception_message(state))

    def units(self, command):
        """[A] a command in model units, 0 for bases."""
        said = dict(zip(command.name, command.position, strict=True))
        return np.array(
            [
                0.0 if joint.kind == "base" else joint.command_wire.to_model(said[joint.name])
                for joint in self.robot.joints
            ]
        )

    def ramp(self, change=0.1, **base):
        """A chunk's rows from the present pose, joint 1 moving steadily, bases as they are told."""
        rows = np.tile(self.pose, (self.robot.time_base.rows_per_chunk, 1))
        rows[:, 0] += np.linspace(0.0, change, len(rows))
        for name, velocity in base.items():
            rows[:, self.robot.action_joints.index(name)] = velocity
        return rows

    def publish_chunk(self, rows):
        now, time_base = self.bench.now_ns(), self.robot.time_base
        self.chunks.publish(
            chunk_message(
                ActionChunk(
                    now,
                    now,
                    time_base.row_ns,
                    rows,
                    self.robot.action_joints,
                    session=self.session,
                    sequence=self.sequence,
                    policy=self.policy,
                )
            )
        )
        self.sequence += 1

    def move(self, seconds, change=0.2, **base):
        """Chunks for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.publish_chunk(self.ramp(change, **base))
            self.bench.spin(0.4)

    def enabled(self):
        """Enables motion with a chunk there."""
        self.publish_chunk(self.ramp())
        self.wait_until(lambda status: status.chunks_accepted)
        answer = self.call("enable", data=True)
        assert answer.success, answer.message

    def ask(self, name, **request):
        """Calls a service; the future of its answer."""
        client = self.clients[name]
        assert client.wait_for_service(20.0)
        return client.call_async(client.srv_type.Request(**request))

    def call(self, name, **request):
        future = self.ask(name, **request)
        self.bench.spin_until(future.done)
        return future.result()

    @property
    def status(self):
        return self.statuses[-1]

    def wait_until(self, done, seconds=20.0):
        self.bench.spin_until(lambda: self.statuses and done(self.status), seconds)

    def wait_for(self, seconds=20.0, **expected):
        self.wait_until(
            lambda status: all(getattr(status, k) == v for k, v in expected.items()), seconds
        )


@pytest.fixture
def make_plant(start, bench):
    """Starts a controller of a robot and a plant around it."""

    def make(robot="droid", **parameters):
        plant = Plant(bench, start("controller_node", robot=robot, **parameters), robot)
        bench.spin_until(lambda: plant.statuses, 60.0)  # importing alone takes long at times
        return plant

    return make


@pytest.fixture
def plant(make_plant):
    """A DROID arm's controller with a plant around it."""
    return make_plant()
