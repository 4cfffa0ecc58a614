"""What counts as done, task by task: scenes put as they should be, and as they should not."""

import mujoco
import numpy as np
import pytest

from sim_driver import tasks
from sim_driver.hardware import SimulatedRobot
from sim_driver.models import robots
from sim_driver.tasks.objects import stain_cells

MS = 1_000_000


class Scene:
    """A droid's or a YAM's scene whose objects a test moves by hand."""

    def __init__(self, task, robot="droid", seed=0, choice=0):
        described = robots.get(robot)
        self.sim = SimulatedRobot(
            described, seed, 0, task=tasks.get(task, described), choice=choice
        )
        self.choice, self.layout = self.sim.judge.choice, self.sim.judge.layout
        self.thing, self.place = self.choice.thing, self.choice.place
        self.now = 0

    def put(self, item, x, y, z, tilt=0.0):
        joint = self.sim.model.joint(item.name)
        quaternion = [np.cos(tilt / 2), np.sin(tilt / 2), 0, 0]
        self.sim._data.qpos[joint.qposadr[0] :][:7] = [x, y, z, *quaternion]
        self.sim._data.qvel[joint.dofadr[0] :][:6] = 0.0
        mujoco.mj_forward(self.sim.model, self.sim._data)

    def hand(self, arm=0):
        name = self.sim.robot.arms[arm].tcp
        return self.sim._data.site(name).xpos.copy()

    def wait(self, seconds):
        self.now += round(seconds * 1e9)
        while self.sim._reached_ns < self.now - 2 * MS:
            self.sim.advance(min(self.now, self.sim._reached_ns + 20 * MS))
        return self.sim.judge.verdict

    def other(self, items, than):
        return next(item for item in items if item is not than)


def test_nothing_done_is_no_progress():
    for task in ("reach", "hover", "pick_place", "stack", "wipe", "push"):
        verdict = Scene(task).wait(1.0)
        assert (verdict.progress, verdict.success) == (0.0, False)
        assert verdict.elapsed_s == 0.0  # counted from the first command


def test_a_thing_under_the_finger_ends_is_reached_and_another_one_is_not():
    for choice in range(4):
        scene = Scene("reach", choice=choice)
        arm = scene.sim.robot.arms[0]
        ends = scene.hand() + (0, 0, -arm.tip)
        under = (*ends[:2], ends[2] - 0.03 - scene.thing.half[2])
        for item in scene.layout.things:
            if item is scene.thing:
                continue
            move(scene, item, under)
            assert not scene.wait(0.6).success
            move(scene, item, (0.6, 0.5, 0.05))
        move(scene, scene.thing, under)
        assert not scene.wait(0.3).success
        move(scene, scene.thing, (under[0] + 0.06, *under[1:]))
        assert not scene.wait(0.6).success
        move(scene, scene.thing, under)
        verdict = scene.wait(0.6)
        assert (verdict.progress, verdict.success) == (1.0, True)


def test_over_a_thing_is_neither_on_it_nor_far_above():
    scene = Scene("hover")
    ends = scene.hand() + (0, 0, -scene.sim.robot.arms[0].tip)
    for under_m, done in ((0.03, False), (0.2, False), (0.12, True)):
        move(scene, scene.thing, (*ends[:2], ends[2] - under_m - scene.thing.half[2]))
        assert scene.wait(0.6).success is done


def move(scene, item, place):
    """Puts a thing anywhere and keeps it there."""
    body = scene.sim.model.body(item.name)
    if item.kind == "block":
        scene.sim.model.opt.gravity[:] = 0.0
        scene.put(item, *place)
        return
    body.pos[:] = place
    mujoco.mj_forward(scene.sim.model, scene.sim._data)


def test_a_block_in_its_bowl_is_done_once_it_has_lain_there():
    scene = Scene("pick_place")
    scene.put(scene.thing, scene.place.x, scene.place.y, 0.04)
    assert not scene.wait(0.4).success
    verdict = scene.wait(0.6)
    assert (verdict.progress, verdict.success) == (1.0, True)
    scene.put(scene.thing, 0.5, 0.4, 0.03)
    assert scene.wait(0.5).success  # what was done stays done


@pytest.mark.parametrize("wrong", ["other block", "other bowl", "both blocks", "on the rim"])
def test_a_wrong_block_or_bowl_is_not_done(wrong):
    scene = Scene("pick_place")
    block = scene.other(scene.layout.things, scene.thing)
    bowl = scene.other(scene.layout.places, scene.place)
    if wrong == "other block":
        scene.put(block, scene.place.x, scene.place.y, 0.04)
    elif wrong == "other bowl":
        scene.put(scene.thing, bowl.x, bowl.y, 0.04)
    elif wrong == "both blocks":
        scene.put(scene.thing, scene.place.x, scene.place.y, 0.04)
        scene.put(block, scene.place.x, scene.place.y, 0.09)
    else:
        scene.put(scene.thing, scene.place.x + scene.place.half[0] + 0.03, scene.place.y, 0.03)
    assert not scene.wait(1.2).success


def test_a_block_that_the_hand_holds_over_the_bowl_is_not_done():
    scene = Scene("pick_place")
    held = []
    for _ in range(40):  # the hand stays where it is and the block is put between its fingers
        scene.put(scene.thing, *scene.hand())
        held.append(scene.wait(0.02).progress)
    assert max(held) == 0.5
    assert not scene.sim.judge.verdict.success


def test_a_stack_is_done_when_it_stands_on_the_named_block():
    scene = Scene("stack")
    base = scene.place
    height = 2 * base.half[2] + scene.thing.half[2]
    scene.put(scene.thing, base.x, base.y, height + 0.001)
    assert scene.wait(1.2).success
    scene = Scene("stack")
    third = next(i for i in scene.layout.things if i not in (scene.thing, scene.place))
    scene.put(scene.thing, third.x, third.y, 2 * third.half[2] + scene.thing.half[2] + 0.001)
    verdict = scene.wait(1.2)
    assert (verdict.progress, verdict.success) == (0.5, False)


def test_two_blocks_side_by_side_are_no_stack():
    scene = Scene("stack")
    scene.put(scene.thing, scene.place.x, scene.place.y + 0.06, scene.thing.half[2])
    assert not scene.wait(1.2).success


def wiped_by(scene, sponge, stain, monkeypatch):
    """Slides a sponge over a stain as if a hand held it."""
    look = scene.sim.judge._look
    monkeypatch.setattr(type(look), "hands_on", lambda self, body: {0} & {0} if body == sponge.name
                        else set())  # fmt: skip
    for share in np.linspace(-1, 1, 25):
        scene.put(sponge, stain.x, stain.y + share * stain.half[1], sponge.half[2])
        scene.wait(0.02)
    monkeypatch.undo()
    scene.put(sponge, 0.3, 0.4, sponge.half[2])
    return scene.wait(1.0)


def alphas(scene, stain):
    return [scene.sim.model.geom(name).rgba[3] for name, _ in stain_cells(stain)]


def test_a_stain_is_gone_when_the_named_sponge_has_passed_over_it(monkeypatch):
    scene = Scene("wipe")
    other = scene.other(scene.layout.places, scene.place)
    assert wiped_by(scene, scene.thing, scene.place, monkeypatch).success
    assert set(alphas(scene, scene.place)) == {0.0}
    assert set(alphas(scene, other)) == {1.0}


@pytest.mark.parametrize("wrong", ["sponge", "stain", "both stains"])
def test_a_wrong_sponge_or_stain_is_not_done(wrong, monkeypatch):
    scene = Scene("wipe")
    sponge, stain = scene.thing, scene.place
    if wrong == "sponge":
        sponge = scene.other(scene.layout.things, sponge)
    else:
        stain = scene.other(scene.layout.places, stain)
    verdict = wiped_by(scene, sponge, stain, monkeypatch)
    if wrong == "both stains":
        verdict = wiped_by(scene, scene.thing, scene.place, monkeypatch)
    assert not verdict.success


def test_a_sponge_that_flies_over_or_that_nobody_holds_wipes_nothing(monkeypatch):
    scene = Scene("wipe")
    scene.put(scene.thing, scene.place.x, scene.place.y, scene.thing.half[2])
    scene.wait(0.3)  # lies on it, by itself
    monkeypatch.setattr(type(scene.sim.judge._look), "hands_on", lambda self, body: {0})
    for _ in range(10):
        scene.put(scene.thing, scene.place.x, scene.place.y, scene.thing.half[2] + 0.02)
        scene.wait(0.02)
    assert set(alphas(scene, scene.place)) == {1.0}


def test_a_puck_is_done_on_the_named_goal_and_only_if_it_was_pushed():
    scene = Scene("push")
    scene.put(scene.thing, scene.place.x + 0.02, scene.place.y, scene.thing.half[2])
    assert scene.wait(1.0).success
    scene = Scene("push")
    goal = scene.other(scene.layout.places, scene.place)
    scene.put(scene.thing, goal.x, goal.y, scene.thing.half[2])
    verdict = scene.wait(1.0)
    assert not verdict.success
    assert verdict.progress < 0.9
    scene = Scene("push")
    scene.put(scene.thing, scene.place.x, scene.place.y, 0.08)  # was lifted
    assert not scene.wait(1.5).success


def test_a_bar_is_done_when_both_hands_lifted_it_onto_the_named_mat(monkeypatch):
    def carried(hands, mat):
        scene = Scene("carry", "yam")
        look = type(scene.sim.judge._look)
        bar = scene.thing
        place = scene.place if mat else scene.other(scene.layout.places, scene.place)
        with monkeypatch.context() as patch:
            patch.setattr(look, "hands_on", lambda self, body: hands if body == bar.name else set())
            for _ in range(10):
                scene.put(bar, bar.x, bar.y, 0.1)
                scene.wait(0.02)
        scene.put(bar, place.x, place.y, bar.half[2])
        return scene.wait(1.0)

    assert carried({0, 1}, mat=True).success
    assert not carried({0}, mat=True).success
    assert not carried({0, 1}, mat=False).success


def test_touching_is_known_by_the_arm():
    scene = Scene("carry", "yam")
    look = scene.sim.judge._look
    assert look.hands_on(scene.thing.name) == set()
    for arm, expected in ((0, {0}), (1, {1})):
        hand = scene.hand(arm)
        scene.put(scene.thing, hand[0], hand[1], hand[2])
        assert look.hands_on(scene.thing.name) == expected
