"""Settings of ROS 2 are spoilt one at a time."""

from dataclasses import replace

import pytest

from dreamzero_bringup.doctor.dds_checks import check
from dreamzero_bringup.doctor.finding import Level

RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def test_sound_settings_pass(dds, complaints):
    assert not complaints(check(dds))
    assert not complaints(check(replace(dds, environment={})))


@pytest.mark.parametrize(
    ("changes", "what", "level", "found", "fix"),
    [
        ({"rmw": "", "rmw_error": "no such library"}, "middleware", Level.FAIL, "no such library",
         "unset RMW_IMPLEMENTATION"),
        ({"rmw": "rmw_connextdds"}, "middleware", Level.WARN, "connext",
         "export RMW_IMPLEMENTATION=rmw_fastrtps_cpp"),
        ({"environment": {"ROS_DOMAIN_ID": "seven"}}, "ROS_DOMAIN_ID", Level.FAIL, "seven",
         "unset"),
        ({"environment": {"ROS_DOMAIN_ID": "300"}}, "ROS_DOMAIN_ID", Level.FAIL, "300", "unset"),
        ({"environment": {"ROS_DOMAIN_ID": "150"}}, "ROS_DOMAIN_ID", Level.WARN, "150",
         "export ROS_DOMAIN_ID=48"),
        ({"environment": {RANGE: "subnet"}}, "discovery range", Level.FAIL, "subnet", "SUBNET"),
        ({"environment": {RANGE: "SUBNET", "ROS_LOCALHOST_ONLY": "1"}}, "discovery range",
         Level.FAIL, "stronger", "unset ROS_LOCALHOST_ONLY"),
        ({"environment": {"ROS_LOCALHOST_ONLY": "1"}}, "discovery range", Level.WARN, "given up",
         f"export {RANGE}=LOCALHOST"),
        ({"environment": {"ROS_LOCALHOST_ONLY": "0"}}, "discovery range", Level.WARN, "given up",
         f"export {RANGE}=SUBNET"),
        ({"environment": {RANGE: "SUBNET"}, "multicast_error": "No such device"}, "multicast",
         Level.WARN, "No such device", "ROS_STATIC_PEERS"),
        ({"profile_errors": {"CYCLONEDDS_URI": "not XML"}}, "CYCLONEDDS_URI", Level.FAIL,
         "not XML", "unset CYCLONEDDS_URI"),
        ({"environment": {"FASTDDS_DEFAULT_PROFILES_FILE": "/a b.xml"},
          "profile_errors": {"FASTDDS_DEFAULT_PROFILES_FILE": ""}},
         "FASTDDS_DEFAULT_PROFILES_FILE", Level.WARN, "not read",
         "export FASTRTPS_DEFAULT_PROFILES_FILE='/a b.xml'"),
        ({"environment": {"ROS_DISCOVERY_SERVER": "10.0.0.2:11811"}}, "ROS_DISCOVERY_SERVER",
         Level.FAIL, "second publisher", "export ROS_SUPER_CLIENT=TRUE"),
        ({"prefix_error": "not installed"}, "package prefix", Level.FAIL, "not installed",
         "setup.bash"),
    ],
)  # fmt: skip
def test_one_fault_is_one_complaint(dds, complaints, changes, what, level, found, fix):
    complaint = complaints(check(replace(dds, **changes)))
    assert list(complaint) == [what]
    assert complaint[what].level == level
    assert found in complaint[what].found
    assert fix in complaint[what].fix


def test_what_is_set_is_shown(dds):
    environment = {
        "ROS_DISCOVERY_SERVER": "10.0.0.3:11811",
        "ROS_SUPER_CLIENT": "TRUE",
        "ROS_STATIC_PEERS": "10.0.0.2",
        "CYCLONEDDS_URI": "<CycloneDDS/>",
        "AMENT_PREFIX_PATH": "/opt/ros/jazzy",
    }
    facts = replace(
        dds, environment=environment, profile_errors={"CYCLONEDDS_URI": ""}, runs=(3, 7)
    )
    shown = {finding.what: finding.found for finding in check(facts)}
    assert shown["ROS_STATIC_PEERS"] == "10.0.0.2"
    assert shown["CYCLONEDDS_URI"] == "<CycloneDDS/>"
    assert shown["package prefix"] == "/opt/ros/jazzy"
    assert shown["runs on this machine"] == "on domain 3, 7"


def test_one_machine_needs_no_multicast(dds):
    findings = {f.what: f for f in check(replace(dds, multicast_error="No such device"))}
    assert findings["multicast"].level is Level.SKIP
