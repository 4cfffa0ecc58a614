"""What the studies are made of: arms that differ in one thing, recipes that are shared."""

from dataclasses import replace

import pytest

pytest.importorskip("mujoco")

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from paper import plan, recorded
from paper.recipes import Part, Recordings, Training, key
from paper.sizes import Size
from paper.studies import World, studies
from paper.study import Arm, Claim, Study, cells
from paper.work import Work
from paper_findings import NAMES

WORLD = World(("reach",), "droid", "yam", Size())
EVERY = studies(WORLD)


def named(name):
    return next(study for study in EVERY if study.name == name)


def trials(name):
    return {arm.name: arm.trial for arm in named(name).arms}


def test_every_finding_has_its_study():
    assert tuple(study.name for study in EVERY) == NAMES
    assert all(study.claims and study.paper and study.differs for study in EVERY)


def test_arms_of_a_study_are_different_trials():
    for study in EVERY:
        assert len({arm.trial for arm in study.arms}) == len(study.arms), study.name


def test_what_is_alike_is_made_once():
    trained = {one for s in EVERY for arm in s.arms for one in arm.trial.training.chain}
    networks = [one for one in trained if not one.start]
    # The base, without video, of few scenes, with a history, Flash; two tuned; two of a new robot.
    assert len(networks) == 9
    assert len(trained) - len(networks) == 6  # two each of all scenes, of few, of the new robot
    base = trials("joint")["joint"]
    shared = [trials(s)[a] for s, a in (("diversity", "diverse"), ("steps", "plain, 4 steps"))]
    assert all(trial == base for trial in (*shared, trials("seams")["cross-fade"]))
    assert len({trial.training for trial in trials("refresh").values()}) == 1
    assert len({trial.training for trial in trials("seams").values()}) == 1


def test_arms_differ_in_one_thing():
    one, other = (arm.trial.training for arm in named("joint").arms)
    assert replace(other, video=True) == one
    one, other = (arm.trial.training for arm in named("diversity").arms)
    few = other.parts[0].recordings
    assert replace(few, distinct=0) == one.parts[0].recordings
    assert {part.recordings for step in other.chain for part in step.parts} == {few}
    assert few.minutes == one.parts[0].recordings.minutes
    one, other = (arm.trial.training for arm in named("architecture").arms)
    assert one.batch * one.chunks == other.batch * other.chunks
    one, other = (arm.trial.training for arm in named("transfer").arms)
    assert replace(other, parts=one.parts) == one
    assert [part.actions for part in other.parts] == [True, False]
    assert other.parts[1].recordings.split == "unseen"
    one, other = (arm.trial.training for arm in named("few_shot").arms)
    assert replace(one, after=other.after) == other
    assert one.after == WORLD.base


def test_a_seed_of_everything_comes_before_the_next():
    names = [cell.name for cell in cells(EVERY[:1], 2)]
    assert names == ["joint/joint/0", "joint/action only/0", "joint/joint/1", "joint/action only/1"]


def test_keys_follow_what_is_said():
    recordings = Recordings("droid", ("reach",), 60.0)
    training = Training((Part(recordings),), 10, 2, 4, 6)
    assert key(training) == key(
        Training((Part(Recordings("droid", ("reach",), 60.0)),), 10, 2, 4, 6)
    )
    assert key(training) != key(replace(training, steps=11))
    assert training.name != replace(training, after=training).name
    assert [one.steps for one in replace(training, steps=5, after=training).chain] == [10, 5]


def test_nonsense_is_refused():
    arm = named("joint").arms[0]
    claim = Claim("higher", "joint", "nobody", "seen")
    with pytest.raises(ValueError, match="no such arms or split"):
        Study("x", "", "", "", (arm,), (claim,), ("seen",))
    with pytest.raises(ValueError, match="each arm once"):
        Study("x", "", "", "", (arm, Arm("joint", arm.trial)), (), ("seen",))
    for change, message in (
        ("speed=3", "expected NAME=VALUE"),
        ("steps=many", "expected a value of type int"),
        ("steps=0", "steps: expected above 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Size().changed([change])
    assert Size().changed(["model=dim=24", "model=num_layers=2"]).model == (
        "dim=24",
        "num_layers=2",
    )


def test_the_plan_counts_everything_once(tmp_path):
    work = Work(tmp_path, WORLD)
    asked = list(cells(EVERY, 3))
    found = plan.pieces(asked, work, plan.Rates(), 40)
    counts = {kind: sum(piece.kind == kind for piece in found) for kind in plan.Kind.__args__}
    assert counts == {"data": 4, "vae": 1, "training": 6 + 3 * 9, "trial": 3 * 20}
    lines = plan.lines(asked, work, plan.Rates(), 40)
    assert len(lines) == len(asked)
    assert {line[1] for line in lines} == {"not begun"}
    total = sum(piece.hours for piece in found)
    assert sum(float(line[2]) for line in lines) == pytest.approx(total, abs=0.05 * len(lines))
    more = plan.pieces(asked, work, plan.Rates(), 80)
    assert sum(piece.hours for piece in more) > total
    seed = cells(EVERY, 3)
    cell = next(seed)
    work.checkpoint_folder(cell.arm.trial.training, 0).mkdir(parents=True)
    assert plan.state(cell, work, 40) == "trained"
    assert not list(tmp_path.glob("*/trials"))  # looking makes nothing


def test_sizes_of_cells_that_share_nothing_have_folders_of_their_own(tmp_path):
    folder = Work(tmp_path, WORLD).folder
    assert Work(tmp_path, replace(WORLD, size=Size(steps=9))).folder == folder
    assert Work(tmp_path, replace(WORLD, size=Size(vae_steps=9))).folder != folder
    assert Work(tmp_path, replace(WORLD, tasks=("push",))).folder != folder


def test_datasets_and_encoders_that_are_there_are_not_made(tmp_path, monkeypatch):
    datasets = [tmp_path / name for name in "ab"]
    for folder in datasets:
        (folder / "meta").mkdir(parents=True)
        (folder / "meta" / "info.json").write_text('{"total_frames": 2700, "fps": 15}')
    assert recorded.minutes(datasets[0]) == 3
    encoders = tmp_path / "encoders"
    make_random("tiny", encoders, embodiments.get("droid"))
    top = tmp_path / "work"
    work = Work(top, WORLD, given=tuple(datasets), encoders=encoders)
    assert work.folder not in (Work(top, WORLD).folder, Work(top, WORLD, encoders=encoders).folder)
    asked = [cell for cell in cells(EVERY, 3) if cell.study.name in ("joint", "transfer")]
    found = plan.pieces(asked, work, plan.Rates(), 40)
    assert {piece.kind for piece in found} == {"data", "training", "trial"}
    made = [piece.name for piece in found if piece.kind == "data" and piece.hours]
    assert len(made) == 1  # the other robot's videos
    begins = WORLD.base.after.after
    assert work.config(begins, 0).init == str(encoders)
    assert [spec.path for spec in work._specs(begins)] == datasets
    monkeypatch.setattr("paper.work.dataset", lambda *_: tmp_path / "videos")
    mixed = work._specs(trials("transfer")["with videos"].training)
    shares = {spec.path: spec.weight for spec in mixed}  # as much of each part, whatever it is in
    assert shares == {datasets[0]: 0.5, datasets[1]: 0.5, tmp_path / "videos": 1.0}


def test_a_given_start_stands_for_what_networks_of_the_robot_begin_with(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    work = Work(tmp_path, replace(WORLD, size=Size(chunk_rows=48, rest_rows=36)), start=tmp_path)
    assert work.chain(WORLD.base) == (WORLD.base,)
    base = work.config(WORLD.base, 1)
    assert (base.init, base.chunk_rows, base.rest_rows) == (str(tmp_path), 0, 36)  # its own rows
    assert [one.init for one in map(work.config, (WORLD.history, WORLD.base), (0, 2))] == (
        [str(tmp_path)] * 2
    )
    tuned = trials("transfer")["own data"].training
    assert work.chain(tuned) == (WORLD.base, tuned)
    new = trials("few_shot")
    assert work.chain(new["after another robot"].training) == (
        *(WORLD.base, new["after another robot"].training),
    )
    assert len(work.chain(new["from nothing"].training)) == 3  # of another robot


def test_trainings_say_what_they_begin_with(tmp_path):
    work = Work(tmp_path, WORLD)
    base = WORLD.base
    joint, alone = work.config(base, 0), work.config(trials("joint")["action only"].training, 0)
    assert (joint.predict_video, joint.video_weight, joint.statistics) == (True, 0.1, "checkpoint")
    assert alone == replace(joint, predict_video=False)
    start = base.after
    assert joint.init == str(work.checkpoint_folder(start, 0))
    assert work.config(start, 0) == work.config(start, 2)  # one for all seeds
    assert not work.config(start, 0).predict_video
    first = work.config(start.after, 1)
    assert (first.init, first.statistics) == (str(work.vae_checkpoint), "data")
    mixed = work.config(trials("transfer")["with videos"].training, 2)
    assert (mixed.init, mixed.statistics) == (str(work.checkpoint_folder(base, 2)), "checkpoint")
    assert mixed.balanced
    new = work.config(trials("few_shot")["after another robot"].training, 1)
    assert (new.init, new.statistics) == (str(work.checkpoint_folder(base, 1)), "data")
    assert len({work.config(base, seed).seed for seed in range(3)}) == 3


def test_seeds_have_scenes_of_their_own_and_arms_share_them(tmp_path):
    work = Work(tmp_path, WORLD)
    one, other = trials("joint").values()
    wanted = [work.wanted(trial, seed, 40, ("seen",)) for trial in (one, other) for seed in (0, 1)]
    assert wanted[0] == wanted[2]
    assert wanted[1].first_seed - wanted[0].first_seed == 10_000
    seams = trials("seams")
    assert work.wanted(seams["temporal ensemble"], 0, 40, ("seen",)).controller_settings.seam == (
        "temporal_ensemble"
    )
    assert dict(seams["real-time chunking"].engine)["real_time_chunking"] is True
