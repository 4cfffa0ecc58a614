"""Every fault of ``make faults``, in real processes over DDS."""

import contextlib

import pytest

pytest.importorskip("rclpy")
pytestmark = [pytest.mark.ros, pytest.mark.faults, pytest.mark.timeout(300)]

from dreamzero_bringup.faults.cases import FAULTS  # noqa: E402


@pytest.fixture(scope="module")
def disk():
    from dreamzero_bringup.stand_ins.small_disk import SmallDisk

    try:
        made = SmallDisk()
    except ValueError:
        yield None
        return
    with contextlib.closing(made):
        yield made


@pytest.fixture(scope="module")
def rig(disk):
    from dreamzero_bringup.faults.rig import Rig

    with Rig("droid", lambda name, line: None, disk=disk) as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_fault(rig, fault):
    from dreamzero_bringup.faults.trial import run

    if fault.layout == "recorded" and rig.disk is None:
        pytest.skip("a full disk needs a tmpfs, which needs root")
    row = run(rig, fault)
    told = "\n".join([*row.failures, *row.said])
    assert row.passed, f"{fault.name}:\n{told}"
    assert row.commands > 20
