"""A demonstration is the recorder's own bag: complete, the same every time, and it converts."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("dreamzero_msgs.msg")
pytest.importorskip("mujoco")

from dreamzero_bringup.virtual import demonstrations
from dreamzero_bringup.virtual.demonstration import is_made, make
from dreamzero_bringup.virtual.demonstrations import Wanted, demonstrate, orders
from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.datasets.replay_source import open_episode
from dreamzero_policy.types import NS_PER_S
from sim_driver import tasks
from sim_driver.cameras import RenderingUnavailableError
from sim_driver.models import robots

WANTED = Wanted("droid", ("push",), seed=3, picture_size=(45, 80), camera_hz=5)


def quiet(stage, done, total):
    pass


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of two demonstrations, and what was said of them."""
    out = tmp_path_factory.mktemp("station") / "demos"
    try:
        return out, demonstrate(WANTED, 2, out, workers=1, tell=quiet)
    except RenderingUnavailableError as error:
        pytest.skip(str(error))


def test_the_bag_is_the_recorders(made):
    out, (told, there) = made
    assert there == 0
    assert all(one.success and not one.trouble for one in told), told
    first = orders(WANTED, 2, out)[0]
    with Episode(first.folder) as episode:
        facts, robot = episode.facts, episode.embodiment
        assert episode.outcome == "success"
        assert facts.prompt == told[0].instruction
        assert facts.prompt.startswith("push the ")
        assert (facts.task, facts.robot, facts.extra["seed"]) == ("push", "droid", "3")
        assert facts.extra["split"] == "taught"
        assert facts.started_ns == first.start_ns
        assert episode.ending.dropped == {}
        seconds = (episode.ending.ended_ns - facts.started_ns) / NS_PER_S
        assert seconds == pytest.approx(told[0].seconds)
        for view in robot.views:
            pictures = episode.stream(f"{view.name}/image_raw/compressed")
            assert len(pictures) == pytest.approx(5 * seconds, abs=1)
            assert pictures.picture(0).shape == (45, 80, 3)
        joints = episode.stream("joint_states").joints()
        assert len(joints.stamps_ns) == pytest.approx(30 * seconds, abs=2)
        assert np.ptp(joints.positions[:, 0]) > 0.02
        for topic in ("joint_commands", "teleop/joint_commands", "proprioception"):
            assert len(episode.stream(topic)) > 25 * seconds
        leads = [message.source for message in episode.stream("authority")]
        assert leads.count(2) > 0.9 * len(leads)  # a human
        assert {m.commands_refused for m in episode.stream("driver_status")} == {0}
        assert [event for event in episode.events if event.kind == "quality"] == []


def test_it_is_the_same_every_time(made, tmp_path):
    out, _ = made
    first = orders(WANTED, 1, out)[0]
    again = replace(first, out=tmp_path)
    make(again)
    assert is_made(again)
    with Episode(first.folder) as one, Episode(again.folder) as other:
        assert one.counts == other.counts
        pairs = zip(one.messages(), other.messages(), strict=True)
        for a, b in pairs:
            assert (a.topic, a.log_ns, bytes(a.data)) == (b.topic, b.log_ns, bytes(b.data))
        assert one.facts == other.facts


def test_it_converts(made, tmp_path):
    out, (told, _) = made
    done = convert([out], tmp_path / "dataset", ConversionSettings(robot="droid"))
    assert done.episodes == 2
    data = LeRobotDataset(tmp_path / "dataset")
    for entry, one in zip(data.episodes, told, strict=True):
        assert entry.tasks == (one.instruction,)
        assert entry.length == pytest.approx(15 * one.seconds, abs=25)  # a still end is left out
    with Episode(orders(WANTED, 1, out)[0].folder) as episode:
        robot = episode.embodiment
    episode = open_episode(tmp_path / "dataset", robot, 0)
    assert episode.actions.shape == (len(episode), 8)

    # What was commanded is where the robot soon is, and not where it was.
    def off(rows):
        states = np.roll(episode.states, -rows, axis=0)[5:-5, :7]
        return np.sqrt(np.mean((episode.actions[5:-5, :7] - states) ** 2))

    assert off(1) < 0.5 * off(-3)
    assert off(1) < 0.03


def only_one(wanted, folder):
    """The first order and what was made of it."""
    (order,) = orders(wanted, 1, folder)
    try:
        told = make(order)
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    assert told.success, told
    return order, told


def test_several_instructions_follow_one_another_in_one_scene(tmp_path):
    wanted = Wanted("droid", ("reach",), picture_size=(45, 80), camera_hz=5, instructions=3)
    order, told = only_one(wanted, tmp_path)
    asked = [order.choice, *order.further]
    assert len(asked) == 3
    assert asked[0] != asked[1] != asked[2]
    with Episode(order.folder) as episode:
        marks = [event for event in episode.events if event.kind == "instruction"]
        said = [episode.facts.prompt, *(event.text for event in marks)]
        assert said[-1] == told.instruction
        task = tasks.get("reach", robots.get("droid"))
        layout = task.lay(robots.get("droid"), order.seed)
        for text, choice in zip(said, asked, strict=True):
            assert text in task.wordings(layout, layout.choices[choice])
        assert episode.facts.extra["further"] == " ".join(map(str, order.further))
        # The hand goes from thing to thing and not back to where it began.
        joints = episode.stream("joint_states").joints()
        instants = [event.stamp_ns for event in marks]
        home = joints.positions[0, :7]
        for instant in instants:
            at = int(np.searchsorted(joints.stamps_ns, instant))
            assert np.abs(joints.positions[at, :7] - home).max() > 0.1


def test_an_instruction_may_give_way_to_the_next_one_on_the_way(tmp_path):
    wanted = Wanted(
        *("yam", ("reach",)), picture_size=(45, 80), camera_hz=5, instructions=4, interrupt_s=1.2
    )
    order, told = only_one(wanted, tmp_path)
    with Episode(order.folder) as episode:
        marks = [event for event in episode.events if event.kind == "instruction"]
        assert len(marks) == 3
        assert marks[-1].text == told.instruction
        assert episode.facts.extra["interrupt_s"] == "1.2"
        assert episode.ending.notes.count("1.00") == 1  # the last one's alone
        begun = [episode.facts.started_ns, *(event.stamp_ns for event in marks)]
        heard_s = np.diff(begun) / NS_PER_S
        assert heard_s.max() < 1.5
        assert heard_s.min() > 0
        joints = episode.stream("joint_states").joints()
        speeds = np.abs(np.gradient(joints.positions, joints.stamps_ns / NS_PER_S, axis=0)).max(1)
        at = np.searchsorted(joints.stamps_ns, begun[1:])
        assert speeds[at].max() > 0.1  # it was on its way


def test_several_instructions_are_for_tasks_that_leave_the_scene_as_it_was(tmp_path):
    with pytest.raises(ValueError, match=r"pick_place leaves another scene behind.* got 2"):
        orders(Wanted("droid", ("reach", "pick_place"), instructions=2), 1, tmp_path)
    with pytest.raises(ValueError, match="instructions: expected 1 to 20, got 0"):
        Wanted("droid", ("reach",), instructions=0)
    with pytest.raises(ValueError, match="interrupt_s: expected at least 2 instructions, got 1"):
        Wanted("droid", ("reach",), interrupt_s=1.0)
    with pytest.raises(ValueError, match="interrupt_s: expected 0 s or more, got nan"):
        Wanted("droid", ("reach",), instructions=2, interrupt_s=float("nan"))


def test_it_goes_on_where_it_was_and_touches_nothing_else(made, tmp_path):
    out, _ = made
    told, there = demonstrate(WANTED, 2, out, workers=1, tell=quiet)
    assert (told, there) == ([], 2)
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(ValueError, match="other settings: seed 3, now 4"):
        demonstrate(replace(WANTED, seed=4), 2, out, workers=1, tell=quiet)
    assert sorted(path.name for path in out.iterdir()) == before
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new folder or one of demonstrations"):
        demonstrate(WANTED, 1, tmp_path, workers=1, tell=quiet)


def test_two_commands_do_not_make_the_same_demonstrations(made):
    out, _ = made
    refused = []

    def again(stage, done, total):
        with pytest.raises(ValueError, match="another command makes demonstrations in it"):
            demonstrate(WANTED, 2, out, workers=1, tell=quiet)
        refused.append(stage)

    demonstrate(WANTED, 2, out, workers=1, tell=again)
    assert refused == ["episodes"]
    demonstrate(WANTED, 2, out, workers=1, tell=quiet)


def test_orders_take_turns_and_begin_alike(tmp_path):
    wanted = Wanted("yam", ("stack", "carry"), seed=7)
    some, more = orders(wanted, 3, tmp_path), orders(wanted, 5, tmp_path)
    assert more[:3] == some
    assert [order.task for order in more] == ["stack", "carry"] * 2 + ["stack"]
    assert len({order.name for order in more}) == 5
    assert {order.split for order in more} == {"taught"}
    assert more[0].camera_hz == 30
    few = orders(replace(wanted, distinct=2), 9, tmp_path)
    assert few[:4] == more[:4]
    assert [(order.task, order.seed) for order in few[4:8]] == [(o.task, o.seed) for o in few[:4]]
    assert len({order.expert_seed for order in few}) == len({o.name for o in few}) == 9
    held = orders(replace(wanted, split="unseen"), 3, tmp_path)
    assert {order.split for order in held} == {"unseen"}
    assert not {(o.task, o.seed, o.choice) for o in held} & {
        (o.task, o.seed, o.choice) for o in more
    }


def test_a_scene_is_done_once_for_every_thing_that_may_be_asked_for(tmp_path):
    wanted = Wanted("yam", ("reach", "hover"), every_choice=True)
    found = orders(wanted, 16, tmp_path)
    assert [order.task for order in found] == ["reach", "hover"] * 8
    for task in ("reach", "hover"):
        of_task = [(order.seed, order.choice) for order in found if order.task == task]
        assert of_task == [(seed, choice) for seed in (0, 1) for choice in range(4)]
    assert len({order.expert_seed for order in found}) == 16
    again = orders(replace(wanted, distinct=1), 16, tmp_path)
    assert {(order.task, order.seed) for order in again} == {("reach", 0), ("hover", 0)}
    assert [o.choice for o in again if o.task == "hover"] == [0, 1, 2, 3] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robot": "ur5"}, "unknown robot 'ur5'"),
        ({"tasks": ()}, "tasks: expected at least one"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"distinct": -1}, "distinct: expected 0 or more"),
        ({"picture_size": (80, 80)}, "expected 320x180 or the same aspect ratio, got 80x80"),
    ],
)
def test_what_makes_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(WANTED, **changes)


def test_an_unknown_task(tmp_path):
    with pytest.raises(
        ValueError, match="no task 'fold' for droid; there are: reach, hover, pick_place"
    ):
        demonstrate(replace(WANTED, tasks=("fold",)), 1, tmp_path / "x", workers=1, tell=quiet)
    assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="episodes: expected 1 to"):
        demonstrations.orders(WANTED, 0, tmp_path)
