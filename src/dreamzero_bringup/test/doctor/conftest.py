"""A sound machine and a sound robot, to be spoilt one fact at a time."""

import pytest

from dreamzero_bringup.facts.dds_facts import DdsFacts
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import Camera, Joints, Stream
from dreamzero_bringup.facts.machine_facts import MachineFacts, Pin
from dreamzero_policy.embodiments.droid import DROID

GIB = 1 << 30


@pytest.fixture
def machine():
    return MachineFacts(
        python=(3, 12),
        pins={
            "dev": {"ruff": Pin("1.0", None)},
            "policy": {"torch": Pin("2.13.0", "2.13.0+cu130"), "einops": Pin("0.8.2", "0.8.2")},
            "robot": {"numpy": Pin("2.4.6", "2.4.6")},
            "ros": {"ros-rclpy": Pin("7.1.6", "7.1.6")},
        },
        torch=True,
        cpus=8,
        load=0.5,
        memory=32 * GIB,
        memory_free=24 * GIB,
        gpus=(),
        cuda_error="",
        realtime=True,
        rtprio=20,
        governors=("performance",),
        receive_buffer=8 << 20,
        send_buffer=8 << 20,
        shared=16 * GIB,
        shared_free=16 * GIB,
        disk_free=100 * GIB,
        egl_error="",
        simulator=True,
    )


@pytest.fixture
def dds():
    return DdsFacts(
        environment={"ROS_DOMAIN_ID": "7"},
        rmw="rmw_fastrtps_cpp",
        rmw_error="",
        profile_errors={},
        multicast_error="",
        runs=(),
        prefix_error="",
    )


@pytest.fixture
def expected():
    return Expected(DROID, sources={"joint_states": DROID.state_joints})


@pytest.fixture
def stream():
    """Makes a sound stream of a topic; keywords spoil it."""

    def make(topic="/wrist/image_raw", kind="sensor_msgs/msg/Image", **changes):
        return Stream(
            **{
                "topic": topic,
                "types": (kind,),
                "publishers": ("/driver",),
                "subscribers": ("/camera_tiler",),
                "count": 45,
                "rate_hz": 15.0,
                "gap_s": 0.07,
                "ages_s": (0.01, 0.012, 0.011),
                **changes,
            }
        )

    return make


@pytest.fixture
def camera(stream):
    """Makes a sound camera; ``stream`` and other keywords spoil it."""

    def make(spoilt=None, **changes):
        return Camera(
            **{
                "stream": stream(**(spoilt or {})),
                "sizes": ((320, 180),),
                "encoding": "rgb8",
                "frame_id": "wrist",
                "pictures": 45,
                "brightest": 230.0,
                "spread": 60.0,
                **changes,
            }
        )

    return make


@pytest.fixture
def joints(stream):
    """Makes sound joint states at home; ``spoilt`` and other keywords spoil them."""

    def make(spoilt=None, **changes):
        names = DROID.state_joints
        home = dict(zip(DROID.action_joints, DROID.home, strict=True))
        return Joints(
            **{
                "stream": stream(
                    "/joint_states", "sensor_msgs/msg/JointState", **(spoilt or {"rate_hz": 100.0})
                ),
                "names": names,
                "positions": tuple(DROID.joint(n).state_wire.to_wire(home[n]) for n in names),
                **changes,
            }
        )

    return make
