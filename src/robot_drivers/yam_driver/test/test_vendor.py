"""Opening arms: which buses, which arguments, and one clear line for what is missing."""

import sys

import fake_i2rt
import numpy as np
import pytest

from yam_driver import vendor

GOOD = {"left": "can_left", "right": "can_right"}


@pytest.fixture(autouse=True)
def no_i2rt(monkeypatch):
    """No i2rt unless a test installs the fake; all gone afterwards."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("i2rt", "can"):
            del sys.modules[name]


@pytest.fixture
def net(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor, "SYS_NET", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "call",
    [
        lambda: vendor.open_arm("can_left", "yam", "linear_4310", ()),
        lambda: vendor.open_handle("can_lead_l", "yam"),
        lambda: vendor.open_encoders("can_lead_l"),
    ],
)
def test_a_missing_package_is_one_line_with_the_command(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "i2rt", None)
    monkeypatch.setitem(sys.modules, "can", None)
    with pytest.raises(ValueError, match="not installed") as caught:
        call()
    said = str(caught.value)
    assert "\n" not in said
    assert f"run: pip install --no-deps 'i2rt @ git+https://github.com/i2rt-robotics/i2rt.git@{vendor.COMMIT}'" in said  # fmt: skip  # noqa: E501


def test_arms_open_stiff_without_recovery_and_without_calibration():
    arm = fake_i2rt.FakeArm("can_left")
    opened = fake_i2rt.install({"can_left": arm})
    assert vendor.open_arm("can_left", "yam_pro", "flexible_4310", (0.0, 6.5)) is arm
    (given,) = opened
    assert given["zero_gravity_mode"] is False
    assert given["enable_auto_recovery"] is False
    assert (given["arm_type"].value, given["gripper_type"].value) == ("yam_pro", "flexible_4310")
    np.testing.assert_array_equal(given["gripper_limits_override"], [0.0, 6.5])
    assert "calibration" not in arm.calls
    vendor.open_arm("can_left", "yam", "linear_4310", ())
    assert arm.calls == ["calibration"]


def test_a_leader_opens_floating():
    opened = fake_i2rt.install({"can_lead_l": fake_i2rt.FakeArm("can_lead_l", floating=True)})
    vendor.open_handle("can_lead_l", "yam")
    assert opened[0]["zero_gravity_mode"] is True
    assert opened[0]["gripper_type"].value == "yam_teaching_handle"


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("fail to communicate with the motor 1 on yam_real at can channel can_left"),
        RuntimeError("Joint limit violation detected:\nJoint 1"),
        OSError(19, "No such device"),
    ],
)
def test_an_arm_that_does_not_answer_is_one_line(error):
    fake_i2rt.install({"can_left": error})
    with pytest.raises(ValueError, match="the arm on can_left cannot be opened") as caught:
        vendor.open_arm("can_left", "yam", "linear_4310", ())
    assert type(error).__name__ in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("leads", [False, True])
@pytest.mark.parametrize("word", ["l", "left"])
def test_names_that_say_their_side_are_taken(net, leads, word):
    other = {"l": "r", "left": "right"}[word]
    kind = "lead" if leads else "follower"
    channels = {"left": f"can_{kind}_{word}", "right": f"can_{kind}_{other}"}
    fake_i2rt.interfaces(net, *channels.values())
    vendor.check_channels(channels, leads)


@pytest.mark.parametrize(
    ("channels", "leads", "match"),
    [
        ({"left": "can_right", "right": "can_left"}, False, "left_channel: .* says left.*swapped"),
        ({"left": "can0", "right": "can1"}, False, "such as can_left, got 'can0'.*udev"),
        ({"left": "can_left", "right": "can_left"}, False, "an interface of its own|of its own"),
        ({"left": "can_lead_l", "right": "can_right"}, False, "a follower arm's bus, such as"),
        (GOOD, True, "a leader arm's bus, such as can_lead_l, got 'can_left'"),
        ({"left": "left", "right": "can_right"}, False, "with 'can' in it"),
        ({"left": "can_l_r", "right": "can_right"}, False, "says left"),
    ],
)
def test_names_that_may_be_the_other_arms_are_refused(net, channels, leads, match):
    with pytest.raises(ValueError, match=match):
        vendor.check_channels(channels, leads)


def test_a_missing_bus_is_named_with_those_there_are(net):
    fake_i2rt.interfaces(net, "can_right", "can7")
    (net / "eth0").mkdir()
    (net / "eth0" / "type").write_text("1\n")
    with pytest.raises(ValueError, match=r"no CAN interface 'can_left' here; .*: can7, can_right$"):
        vendor.check_channels(GOOD, leads=False)


def test_a_bus_that_is_down_is_named_with_the_command(net):
    fake_i2rt.interfaces(net, "can_left", "can_right", up=False)
    with pytest.raises(ValueError, match="sudo ip link set can_left up type can bitrate 1000000"):
        vendor.check_channels(GOOD, leads=False)


def test_another_kind_of_interface_is_refused(net):
    fake_i2rt.interfaces(net, "can_left", "can_right")
    (net / "can_left" / "type").write_text("1\n")
    with pytest.raises(ValueError, match="'can_left' is no CAN interface"):
        vendor.check_channels(GOOD, leads=False)
