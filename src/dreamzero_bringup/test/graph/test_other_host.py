"""Which side runs here, and where nodes look for the other one."""

import pytest

from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.graph.other_host import (
    PEERS,
    RANGE,
    SERVER,
    domain_id,
    environment,
    to_look_in,
)

ROBOT_SIDE = Options("droid", policy_host="127.0.0.2")


def test_the_other_host_says_which_side_is_here():
    assert ROBOT_SIDE.here == "robot"
    assert Options("droid", robot_host="127.0.0.3").here == "policy"
    assert Options("droid").here == "all"
    assert [node.name for node in build(Options("yam", robot_host="127.0.0.3"))] == ["policy"]
    assert "policy" not in {node.name for node in build(Options("yam", policy_host="127.0.0.2"))}


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"policy_host": "a", "robot_host": "b"}, "the other host's alone, got 'a' and 'b'"),
        ({"policy_host": "a", "side": "policy"}, "side is expected to be robot, got policy"),
        ({"robot_host": "a", "side": "robot"}, "side is expected to be policy, got robot"),
        ({"side": "left"}, "side must be one of all, robot, policy, got 'left'"),
    ],
)
def test_what_contradicts_itself_is_refused(choices, words):
    with pytest.raises(ValueError, match=words):
        build(Options("droid", **choices))


def test_without_another_host_nodes_stay_here():
    assert environment({}) == {RANGE: "LOCALHOST"}
    assert environment({RANGE: "SUBNET"}, Options("droid")) == {RANGE: "SUBNET"}
    assert environment({RANGE: "SUBNET"}, None, "OFF") == {RANGE: "OFF"}


def test_the_other_host_becomes_a_peer_beside_those_that_are_there():
    assert environment({}, ROBOT_SIDE) == {RANGE: "LOCALHOST", PEERS: "127.0.0.2"}
    assert environment({PEERS: "10.0.0.9;127.0.0.2"}, ROBOT_SIDE)[PEERS] == "10.0.0.9;127.0.0.2"
    assert environment({PEERS: "10.0.0.9"}, ROBOT_SIDE)[PEERS] == "10.0.0.9;127.0.0.2"
    assert environment({SERVER: "10.0.0.1:11811"}, ROBOT_SIDE) == {RANGE: "LOCALHOST"}


def test_what_would_find_nobody_is_refused():
    with pytest.raises(ValueError, match="expected ROS_AUTOMATIC_DISCOVERY_RANGE LOCALHOST or SUB"):
        environment({RANGE: "SYSTEM_DEFAULT"}, ROBOT_SIDE)
    with pytest.raises(ValueError, match=r"a name that this machine knows.*got 'no such host'"):
        environment({}, Options("droid", policy_host="no such host"))


def test_two_hosts_need_no_agreement_on_a_domain():
    assert domain_id({}, ROBOT_SIDE) == 0
    assert domain_id({}, Options("droid", side="robot")) is None
    assert domain_id({"ROS_DOMAIN_ID": "7"}, ROBOT_SIDE) == 7
    with pytest.raises(ValueError, match="ROS_DOMAIN_ID: expected a number, got 'forty'"):
        domain_id({"ROS_DOMAIN_ID": "forty"})


def test_what_to_type_in_another_shell():
    env = {"ROS_DOMAIN_ID": "0", RANGE: "LOCALHOST", PEERS: "a;b", "OTHER": "x"}
    assert to_look_in(env) == (
        "export ROS_DOMAIN_ID=0 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_STATIC_PEERS='a;b'"
    )
