"""The DDS files for two hosts: well-formed, in agreement, and read by Fast DDS itself."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dreamzero_bringup.domain import DomainClaim
from dreamzero_bringup.facts.dds_facts import profile_error

FOLDER = Path(__file__).parents[3] / "config" / "dds"
FAST = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"
CYCLONE = "{https://cdds.io/config}"

NODE = """
import json, sys, time
from array import array
import rclpy
from std_msgs.msg import UInt8MultiArray

role, seconds = sys.argv[1], 30.0
rclpy.init()
node = rclpy.create_node(role)
sizes, until = [], time.monotonic() + seconds
if role == "listener":
    node.create_subscription(UInt8MultiArray, "canvas", lambda m: sizes.append(len(m.data)), 1)
else:
    publisher = node.create_publisher(UInt8MultiArray, "canvas", 1)
    message = UInt8MultiArray(data=array("B", bytes(675_840)))
publishers = 0


def segment():
    maps = [line.split() for line in open("/proc/self/maps") if "/dev/shm/fastrtps" in line]
    ends = [[int(end, 16) for end in words[0].split("-")] for words in maps]
    return max(end - begin for begin, end in ends)


def say():
    said = {"publishers": publishers, "sizes": sizes[:1], "segment": segment()}
    print(json.dumps(said), flush=True)


while time.monotonic() < until:
    rclpy.spin_once(node, timeout_sec=0.1)
    if role != "listener":
        publisher.publish(message)
    publishers = max(publishers, node.count_publishers("canvas"))
    if publishers == 2 and (sizes or role != "listener"):
        break
say()
until = time.monotonic() + 60.0
while time.monotonic() < until:  # The others may not have heard yet; the test kills all.
    rclpy.spin_once(node, timeout_sec=0.1)
    if role != "listener":
        publisher.publish(message)
"""


def root(name):
    return ElementTree.parse(FOLDER / name).getroot()


@pytest.mark.parametrize(
    ("name", "element"),
    [
        ("fastdds.xml", f"{FAST}profiles"),
        ("fastdds_server.xml", f"{FAST}profiles"),
        ("cyclonedds.xml", f"{CYCLONE}CycloneDDS"),
    ],
)
def test_a_file_is_what_the_doctor_expects_and_has_its_root(name, element):
    assert profile_error(f"file://{FOLDER / name}") == ""
    assert root(name).tag == element


def test_fast_dds_uses_every_transport_that_is_described_and_has_one_default():
    profiles = root("fastdds.xml")
    described = [e.text for e in profiles.iter(f"{FAST}transport_id")]
    assert sorted(described) == sorted(2 * ["dreamzero_shm", "dreamzero_udp"])
    defaults = [e.get("is_default_profile") for e in profiles.iter(f"{FAST}participant")]
    assert defaults == ["true"]


def test_no_buffer_is_larger_than_the_kernel_is_told_to_allow():
    lines = (FOLDER / "90-dreamzero-dds.conf").read_text().splitlines()
    kernel = dict(line.split(" = ") for line in lines if line and not line.startswith("#"))
    fast = root("fastdds.xml")
    assert int(fast.find(f".//{FAST}receiveBufferSize").text) <= int(kernel["net.core.rmem_max"])
    assert int(fast.find(f".//{FAST}sendBufferSize").text) <= int(kernel["net.core.wmem_max"])
    size = root("cyclonedds.xml").find(f".//{CYCLONE}SocketReceiveBufferSize")
    assert int(size.get("min").removesuffix("MB")) * 10**6 <= int(kernel["net.core.rmem_max"])


def test_a_whole_image_fits_into_shared_memory_several_times():
    segment = int(root("fastdds.xml").find(f".//{FAST}segment_size").text)
    assert segment >= 3 * 4 * 640 * 480 * 3


def test_cyclone_knows_both_hosts_and_does_without_multicast():
    cyclone = root("cyclonedds.xml")
    assert cyclone.find(f".//{CYCLONE}AllowMulticast").text == "false"
    assert len({peer.get("address") for peer in cyclone.iter(f"{CYCLONE}Peer")}) == 2


@pytest.mark.ros
@pytest.mark.slow
def test_through_the_server_canvases_arrive_and_a_publisher_sees_its_rival(tmp_path):
    """Both are lost where the nodes are no super clients, or the profile is not understood."""
    program = shutil.which("fast-discovery-server", path=Path(sys.executable).parent)
    program = program or shutil.which("fast-discovery-server")
    if program is None:
        pytest.skip("this ROS 2 has no fast-discovery-server")
    claim = DomainClaim()
    port = 21_000 + claim.domain_id
    server_file = tmp_path / "server.xml"
    text = (FOLDER / "fastdds_server.xml").read_text()
    assert text.count("<port>11811</port>") == 1
    server_file.write_text(text.replace("11811", str(port)).replace("0.0.0.0", "127.0.0.1"))
    env = {
        **os.environ,
        "ROS_DOMAIN_ID": str(claim.domain_id),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT",
        "ROS_DISCOVERY_SERVER": f"127.0.0.1:{port}",
        "ROS_SUPER_CLIENT": "TRUE",
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(FOLDER / "fastdds.xml"),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    }
    processes = []
    try:
        server = [program, "-x", f"dreamzero_server@{server_file}"]
        processes.append(subprocess.Popen(server, env=env, stdout=subprocess.DEVNULL))
        time.sleep(0.5)
        assert processes[0].poll() is None
        for role in ("talker", "rival", "listener"):
            command = [sys.executable, "-c", NODE, role]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, env=env, **pipes))
        said = {}
        for role, process in zip(("talker", "rival", "listener"), processes[1:]):
            said[role] = json.loads(process.stdout.readline())
    finally:
        for process in processes:
            process.kill()
        errors = [process.communicate()[1] for process in processes][1:]
        with suppress(OSError):
            claim.release()
    assert said["talker"]["publishers"] == said["rival"]["publishers"] == 2
    assert (said["listener"]["publishers"], said["listener"]["sizes"]) == (2, [675_840])
    assert min(one["segment"] for one in said.values()) >= 16 * 2**20  # so the profile was read
    assert not [line for text in errors for line in text.splitlines() if "XMLPARSER" in line]
