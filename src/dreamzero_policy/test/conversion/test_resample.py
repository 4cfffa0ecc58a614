"""Rows: on the live grids, by the live functions, and what is wrong where something is."""

from dataclasses import replace

import numpy as np
import pytest

from dreamzero_policy import embodiments
from dreamzero_policy.conversion.piece_files import native_pictures
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import (
    ClockJumpError,
    JointsChangedError,
    MissingTopicError,
    WrongSchemaError,
)
from dreamzero_policy.data.synthetic import START_NS, commanded, picture, value
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import NS_PER_S


def rows_of(folder, settings):
    with Episode(folder) as episode:
        return resample(episode, settings)


def seconds(rows):
    return (rows.instants_ns - START_NS) / NS_PER_S


@pytest.mark.parametrize("name", embodiments.names())
def test_rows_say_what_was_recorded(name, record, settings_of):
    robot = embodiments.get(name)
    hz = float(robot.time_base.control_hz)
    folder = record(name, robot, seconds=1.5, camera_hz=hz, command_hz=hz, joint_hz=4 * hz)
    rows = rows_of(folder, settings_of(name))
    assert set(rows.faults) == {""}
    assert len(rows) >= 1.4 * hz
    grid, canvases = Grid(robot.time_base.control_hz), Grid.of_frames(robot.time_base)
    assert all(grid.is_instant(int(ns)) for ns in rows.instants_ns)
    inside = [k for k in range(len(rows)) if canvases.is_instant(int(rows.instants_ns[k]))]
    assert np.ptp(np.diff(inside)) == 0
    assert np.diff(inside)[0] == robot.time_base.frame_stride
    joints = [joint for joint in robot.joints if joint.kind != "base"]
    for row, at_s in enumerate(seconds(rows)):
        for index, joint in enumerate(joints):
            column = robot.state_joints.index(joint.name)
            # A gripper's last measurement is at most a period of the joints old.
            late = joint.velocity / (4 * hz) if joint.kind == "gripper" else 2e-3
            assert rows.states[row, column] == pytest.approx(value(joint, index, at_s), abs=late)
    first = commanded(robot, round(seconds(rows)[10] * hz) / hz)
    is_base = np.array([joint.kind == "base" for joint in robot.joints])
    np.testing.assert_allclose(rows.actions[10, ~is_base], first, atol=1e-9)
    assert np.isfinite(rows.actions).all()


def test_a_picture_is_the_newest_not_later_than_the_row(record, settings, droid):
    folder = record(camera_hz=11.0, seconds=2.0)
    rows = rows_of(folder, settings)
    at_s = seconds(rows)
    with Episode(folder) as episode:
        every = list(native_pictures(episode, droid, rows, slice(0, len(rows))))
    for row in (0, 7, 20):
        shown = int(at_s[row] * 11.0 + 1e-6) / 11.0
        assert rows.view_ages_ns[row, 0] == pytest.approx((at_s[row] - shown) * 1e9, abs=2)
        expected = picture(droid.native_size, 2, round(shown * NS_PER_S) / NS_PER_S)
        np.testing.assert_array_equal(every[row]["wrist"], expected)


def test_instructions_change_at_their_row(record, settings):
    said = ((0.0, "open the drawer"), (1.0, "put it in"), (2.0, "close it"))
    rows = rows_of(record(instructions=said), settings)
    for row, at_s in enumerate(seconds(rows)):
        assert rows.instructions[row] == said[min(2, int(at_s + 1e-9))][1]


def test_without_an_instruction_there_is_no_row_unless_one_is_given(record, settings_of):
    folder = record(instructions=(), seconds=1.0)
    assert set(rows_of(folder, settings_of("droid")).faults) == {"no instruction"}
    given = rows_of(folder, settings_of("droid", instruction="tidy up"))
    assert set(given.faults) == {""}
    assert set(given.instructions) == {"tidy up"}


@pytest.mark.parametrize(
    ("topic", "silent"), [("wrist/image_raw", 0.9), ("joint_states", 0.4), ("joint_commands", 0.4)]
)
def test_a_gap_leaves_out_the_rows_inside_it(topic, silent, record, settings):
    def change(name, at_ns, values):
        return None if name == topic and 1.0e9 < at_ns < (1.0 + silent) * 1e9 else values

    rows = rows_of(record(change=change, seconds=3.0), settings)
    at_s, bad = seconds(rows), ~rows.usable
    assert bad.any()
    inside = (at_s > 1.0) & (at_s < 1.0 + silent)
    assert (bad == inside).all()
    assert all("gap" in why and topic.split("/")[0] in why for why in np.array(rows.faults)[bad])


def test_one_lost_picture_is_no_gap(record, settings):
    def change(name, at_ns, values):
        return None if name == "wrist/image_raw" and at_ns == 1_000_000_000 else values

    assert rows_of(record(change=change, seconds=2.0), settings).usable.all()


def test_a_picture_that_stands_while_the_robot_moves_is_no_picture(record, settings, droid):
    stuck = picture(droid.native_size, 1, 1.0).reshape(-1)

    def change(name, at_ns, values):
        frozen = name == "exterior_2/image_raw" and 1.0e9 <= at_ns <= 3.0e9
        return {**values, "data": stuck} if frozen else values

    rows = rows_of(record(change=change, seconds=5.0), settings)
    at_s = seconds(rows)
    frozen = np.array(["one picture while" in why for why in rows.faults])
    assert frozen[(at_s > 1.1) & (at_s < 2.9)].all()
    assert not frozen[(at_s < 0.9) | (at_s > 3.1)].any()
    may_stand = replace(settings, still_views=("exterior_2",))
    assert may_stand.fingerprint != settings.fingerprint
    rows = rows_of(record(change=change, seconds=5.0), may_stand)
    assert not any("one picture while" in why for why in rows.faults)


def test_pictures_of_another_camera_are_refused(record, settings):
    def change(name, at_ns, values):
        swapped = name == "exterior_1/image_raw" and at_ns > 1.5e9
        return {**values, "frame_id": "exterior_2"} if swapped else values

    rows = rows_of(record(change=change, seconds=3.0), settings)
    assert seconds(rows)[-1] < 1.6  # the view ends there, and with it the rows


def test_what_is_wrong_with_a_whole_recording_is_named(record, settings):
    def without(topic):
        return lambda name, at_ns, values: None if name == topic else values

    def renamed(name, at_ns, values):
        if name == "joint_states" and at_ns > 1e9:
            return {**values, "name": values["name"][:-1], "position": values["position"][:-1]}
        return values

    def back(name, at_ns, values):
        late = name == "wrist/image_raw" and at_ns > 1e9
        return {**values, "stamp_ns": at_ns - 30 * NS_PER_S} if late else values

    for change, error, words in (
        (without("wrist/image_raw"), MissingTopicError, "/wrist/image_raw"),
        (without("joint_commands"), MissingTopicError, "/joint_commands"),
        (renamed, JointsChangedError, "panda_finger_joint1"),
        (back, ClockJumpError, "set back by"),
    ):
        with pytest.raises(error, match=words):
            rows_of(record(change=change, seconds=2.0), settings)


def test_a_base_without_commands_is_named(record, settings_of):
    robot = embodiments.get("agibot_g1")
    folder = record("g1", robot, seconds=0.5, change=lambda n, t, v: v if "base" not in n else None)
    with pytest.raises(MissingTopicError, match="/base_command"):
        rows_of(folder, settings_of("agibot_g1"))


def test_the_recording_says_which_topic_brings_which_joint(record, settings, droid):
    sources = f"joint_states={','.join(droid.state_joints[:-1])}"
    text = "/**/proprioception:\n  ros__parameters:\n    sources: ['" + sources + "']\n"
    folder = record(seconds=1.0, facts={"robot_file": text})
    with pytest.raises(ValueError, match="expected every joint from one source"):
        rows_of(folder, settings)
    ignored = "/**/proprioception:\n  ros__parameters:\n    ignored_joints: [elbow]\n"

    def with_elbow(name, at_ns, values):
        if name != "joint_states":
            return values
        position = np.append(values["position"], 9.0)
        return {**values, "name": [*values["name"], "elbow"], "position": position}

    rows = rows_of(record(seconds=1.0, change=with_elbow, facts={"robot_file": ignored}), settings)
    assert set(rows.faults) == {""}


def test_a_robot_file_that_is_no_yaml_is_named(record, settings):
    folder = record(seconds=0.5, facts={"robot_file": "{"})
    with pytest.raises(WrongSchemaError, match="not YAML"):
        rows_of(folder, settings)
