"""A machine is spoilt one fact at a time."""

from dataclasses import replace

import pytest

from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.doctor.machine_checks import check, size
from dreamzero_bringup.facts.machine_facts import Pin
from dreamzero_policy.embodiments.agibot_g1 import AGIBOT_G1
from dreamzero_policy.embodiments.droid import DROID

GIB, MIB = 1 << 30, 1 << 20
ROBOT = {"numpy": Pin("2.4.6", "2.4.6"), "ruckig": Pin("0.19.4", None)}


def test_a_sound_machine_passes(machine, complaints):
    assert not complaints(check(machine, DROID, sim=True))


@pytest.mark.parametrize(
    ("changes", "what", "level", "found", "fix"),
    [
        ({"python": (3, 13)}, "Python", Level.FAIL, "3.13", "PYTHON=python3.12"),
        ({"pins": {"robot": ROBOT}}, "packages: robot", Level.FAIL, "ruckig", "robot.txt"),
        (
            {"pins": {"robot": {"numpy": Pin("2.4.6", None)}}},
            "packages: robot",
            Level.FAIL,
            "none is installed",
            "pip install",
        ),
        (
            {"pins": {"policy": {"torch": Pin("2.13.0", "2.12.1")}}},
            "packages: policy",
            Level.WARN,
            "torch 2.12.1",
            "policy.txt",
        ),
        ({"cpus": 1}, "processor", Level.WARN, "1 cores", "--cpus"),
        ({"load": 40.0}, "processor", Level.WARN, "load 40.0", "top"),
        ({"memory_free": GIB}, "memory", Level.WARN, "1.0 GiB free", "top"),
        ({"realtime": False, "rtprio": 0}, "real-time scheduling", Level.WARN, "rtprio limit 0",
         "limits.conf"),
        ({"governors": ("performance", "powersave")}, "CPU governor", Level.WARN, "powersave",
         "cpupower"),
        ({"receive_buffer": 212_992}, "receive buffer", Level.WARN, "0.2 MiB",
         "net.core.rmem_max=4194304"),
        ({"send_buffer": 212_992}, "send buffer", Level.WARN, "0.2 MiB",
         "net.core.wmem_max=4194304"),
        ({"shared": 64 * MIB, "shared_free": 60 * MIB}, "/dev/shm", Level.WARN, "60.0 MiB",
         "--shm-size"),
        ({"shared": None}, "/dev/shm", Level.WARN, "there is none", "--shm-size"),
        ({"disk_free": 5 * GIB}, "disk", Level.WARN, "5.0 GiB", "du "),
        ({"disk_free": 100 * MIB}, "disk", Level.FAIL, "100.0 MiB", "du "),
        ({"egl_error": "no libEGL"}, "rendering", Level.FAIL, "no libEGL", "libegl1"),
        ({"simulator": False}, "rendering", Level.FAIL, "not installed", "robot.txt"),
    ],
)  # fmt: skip
def test_one_fault_is_one_complaint(machine, complaints, changes, what, level, found, fix):
    complaint = complaints(check(replace(machine, **changes), DROID, sim=True))
    assert list(complaint) == [what]
    assert complaint[what].level == level
    assert found in complaint[what].found
    assert fix in complaint[what].fix


def test_rendering_matters_to_the_simulation_only(machine, complaints):
    assert not complaints(check(replace(machine, egl_error="none"), DROID, sim=False))


def test_larger_images_need_larger_buffers(machine, complaints):
    found = complaints(check(machine, AGIBOT_G1, sim=False))
    assert "net.core.rmem_max=16777216" in found["receive buffer"].fix


@pytest.mark.parametrize(
    ("changes", "what", "why"),
    [
        ({"torch": False}, "packages: policy", "another host"),
        ({"pins": {}}, "packages", "no requirements/"),
        ({"pins": {"ros": {"ros-rclpy": Pin("7", None)}}}, "packages: ros", "does not come"),
        ({"pins": {"ray": {"ray": Pin("2", None)}}}, "packages: ray", "only `dreamzero convert"),
        ({"governors": ()}, "CPU governor", "does not say"),
        ({"receive_buffer": None}, "receive buffer", "does not say"),
    ],
)
def test_what_cannot_be_known_is_skipped(machine, complaints, changes, what, why):
    findings = list(check(replace(machine, **changes), DROID, sim=False))
    assert not complaints(findings)
    skipped = {finding.what: finding for finding in findings if finding.level is Level.SKIP}
    assert why in skipped[what].found


def test_sizes_for_people():
    assert size(3 * GIB) == "3.0 GiB"
    assert size(212_992) == "0.2 MiB"
