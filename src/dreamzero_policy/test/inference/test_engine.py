"""Chunks out of observations, with the fake model and with the untrained tiny one."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.inference.session import ResetReason
from dreamzero_policy.types import Observation


def test_rows_are_due_from_the_observation_on(fake):
    engine = fake.engine()
    observation = fake.observe([3])
    chunk = engine.infer(engine.new_session(9), observation).chunk
    assert chunk.observation_ns == chunk.start_ns == observation.newest_ns
    assert chunk.step_ns == fake.robot.time_base.row_ns
    assert chunk.rows.shape == (24, 8)
    assert chunk.names == fake.robot.action_joints
    assert (chunk.session, chunk.sequence) == (9, 0)


def test_relative_joints_are_anchored_to_the_state_of_that_call(fake):
    """Joints move with the state at whose measurement the call was made; the gripper does not."""
    engine = fake.engine()
    session = engine.new_session(0)
    home = fake.robot.state_at_home()
    arm = np.array([0.01 * joint for joint in range(7)] + [0.0])
    first = engine.infer(session, fake.observe([0], state=home)).chunk.rows
    second = engine.infer(session, fake.observe([0], state=home + arm)).chunk.rows
    # The fake's velocity shifts all actions by the first joint of the state, which is the same.
    np.testing.assert_allclose(second - first, np.tile(arm, (24, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("evaluations", "count"), [(8, 8), (5, 5), ("all", 16), (16, 16), ("dynamic", None)]
)
def test_evaluations_are_counted_per_branch(fake, evaluations, count):
    engine = fake.engine(evaluations=evaluations)
    inference = engine.infer(engine.new_session(0), fake.observe([0]))
    assert count in (inference.evaluations, None)
    spared = evaluations != "dynamic"  # the last has no guidance, where it is known to be the last
    assert len(fake.model.dit.seen) == 2 * inference.evaluations - spared


def test_without_guidance_there_is_one_branch(fake):
    engine = fake.engine(guidance_scale=1.0)
    session = engine.new_session(0)
    inference = engine.infer(session, fake.observe([0]))
    assert len(session.window.caches) == 1
    assert len(fake.model.dit.seen) == inference.evaluations == fake.config.evaluations
    assert len(fake.model.prompts) == 1
    assert engine.infer(session, fake.observe(range(9))).kind == "commit"


@pytest.mark.parametrize(
    ("options", "branches"),
    [
        ({}, 2),
        ({"guidance_scale": 1.0}, 1),
        ({"evaluations": 1}, 1),
        ({"evaluations": 1, "predicted_video": "guided"}, 2),
        ({"evaluations": 2, "predicted_video": "none"}, 2),
        ({"evaluations": "all", "timesteps": 1}, 1),
        ({"evaluations": "dynamic"}, 2),
    ],
)
def test_a_branch_that_nothing_would_read_is_not_there(fake, options, branches):
    engine = fake.engine(**options)
    session = engine.new_session(0)
    inference = engine.infer(session, fake.observe([0]))
    assert engine.branches == len(session.window.caches) == len(session.texts) == branches
    spared = options.get("predicted_video", "unguided") != "guided" and branches == 2
    assert len(fake.model.dit.seen) == branches * inference.evaluations - (
        spared and options.get("evaluations") != "dynamic"
    )


def test_an_instruction_whose_first_call_fails_leaves_the_old_one_s_embedding(fake):
    engine = fake.engine()
    session = engine.new_session(0)
    engine.infer(session, fake.observe([0]))
    before = session.texts
    denoise, fake.model.dit.denoise = fake.model.dit.denoise, None
    with pytest.raises(TypeError):
        engine.infer(session, fake.observe(range(9), prompt="another, longer one"))
    fake.model.dit.denoise = denoise
    engine.infer(session, fake.observe(range(9)))
    assert session.texts is before


def test_stages_add_up(fake):
    engine = fake.engine()
    session = engine.new_session(0)
    stages = [engine.infer(session, fake.observe(range(n + 1))).stages for n in (0, 8, 11)]
    assert {"text", "condition", "refresh", "denoise", "actions", "total"} <= set(stages[0])
    assert "encode" in stages[1]
    for each in stages:
        parts = sum(
            seconds
            for name, seconds in each.items()
            if name != "total" and not name.startswith("denoise ")  # which are within denoise
        )
        assert 0 < parts <= each["total"]


@pytest.mark.parametrize(
    ("own", "option", "ends"),
    [(None, None, 0.0), (0.8, None, 0.8), (0.8, 0.5, 0.5), (None, 0.8, 0.8)],
)
def test_decoupled_noise_is_the_checkpoint_s_unless_an_option_says_otherwise(
    fake, own, option, ends
):
    """Flash: the video ends in noise, the actions clean; at one step and at sixteen."""
    fake.loaded.config = replace(fake.config, final_video_sigma=own)
    for timesteps in (1, 16):
        options = EngineOptions(
            literal=True, timesteps=timesteps, evaluations="all", final_video_sigma=option
        )
        engine = Engine(fake.loaded, fake.robot, options)
        assert engine._video_schedule.sigmas[-1] == pytest.approx(ends)
        assert engine._action_schedule.sigmas[-1] == 0
        assert engine._video_schedule.sigmas[0] == engine._action_schedule.sigmas[0]
        inference = engine.infer(engine.new_session(0), fake.observe([0]))
        assert inference.evaluations == timesteps
        assert np.isfinite(inference.chunk.rows).all()


def test_fresh_noise_differs_from_chunk_to_chunk(fake):
    def rows(**options):
        engine = fake.engine(**options)
        session = engine.new_session(0)
        return [engine.infer(session, fake.observe([0])).chunk.rows for _ in range(2)]

    same, fresh = rows(), rows(fresh_noise=True)
    np.testing.assert_array_equal(same[0], same[1])
    np.testing.assert_array_equal(same[0], fresh[0])
    assert not np.array_equal(fresh[0], fresh[1])


def test_predicted_frames_follow_the_observation(fake):
    engine = fake.engine()
    session = engine.new_session(0)
    for newest in (0, 8, 16):
        observation = fake.observe(range(newest + 1))
        inference = engine.infer(session, observation)
    stamps, frames = engine.predicted_frames(session, inference)
    frame_ns = fake.robot.time_base.frame_ns
    np.testing.assert_array_equal(stamps, observation.newest_ns + frame_ns * np.arange(1, 9))
    assert frames.shape == (8, 4, 4, 3)
    clip = fake.model.decoded[-1]
    assert torch.equal(clip[:, :, -2:], inference.latents)
    assert clip[0, 0, :-2, 0, 0].tolist() == [0, 4, 8, 12, 16]
    with pytest.raises(ValueError, match="session 5"):
        engine.predicted_frames(engine.new_session(5), inference)


def test_a_failed_call_restarts_the_window_at_the_next(fake):
    engine = fake.engine()
    session = engine.new_session(0)
    engine.infer(session, fake.observe([0]))
    denoise, fake.model.dit.denoise = fake.model.dit.denoise, None
    with pytest.raises(TypeError):
        engine.infer(session, fake.observe(range(9)))
    fake.model.dit.denoise = denoise
    assert session.due(fake.observe(range(10)), 8)
    inference = engine.infer(session, fake.observe(range(10)))
    assert inference.reset_reason == ResetReason.CALL_FAILED
    assert inference.chunk.sequence == 1


def test_a_session_that_ended_leaves_its_memory_to_the_next(fake):
    engine = fake.engine()
    first = engine.new_session(1)
    engine.infer(first, fake.observe([0]))
    window = first.window
    other = engine.new_session(2)
    engine.infer(other, fake.observe([0]))
    assert other.window is not window
    first.end()
    second = engine.new_session(3)
    engine.infer(second, fake.observe([0]))
    assert second.window is window
    assert first.window is None
    # Whoever goes on with it nevertheless begins anew, in memory of its own.
    again = engine.infer(first, fake.observe(range(9)))
    assert again.reset_reason == "requested"
    assert first.window is not window
    assert fake.model.dit.seen[-1] == [8]


@pytest.mark.parametrize("what", ["canvas", "state", "prompt"])
def test_an_observation_that_does_not_fit_leaves_the_session_alone(fake, what):
    engine = fake.engine()
    session = engine.new_session(0)
    engine.infer(session, fake.observe([0]))
    good = fake.observe(range(9))
    bad = {
        "canvas": replace(good, canvases=np.zeros((9, 4, 6, 3), np.uint8)),
        "state": replace(good, state=np.zeros(5)),
        "prompt": replace(good, prompt="  "),
    }[what]
    with pytest.raises(ValueError, match=r"expected \[4, 4\]|raw state|instruction"):
        engine.infer(session, bad)
    assert engine.infer(session, good).reset_reason is None


def test_a_checkpoint_of_another_robot_or_time_base_is_refused(fake):
    for change, message in (
        ({"embodiment_tag": "yam"}, "embodiment tag"),
        (
            {"time_base": replace(fake.robot.time_base, rows_per_chunk=16, frame_stride=2)},
            "actions",
        ),
    ):
        other = type(fake.loaded)(**{**vars(fake.loaded), **change})
        with pytest.raises(ValueError, match=message):
            Engine(other, fake.robot)
    with pytest.raises(ValueError, match=r"view size of loaded.embodiment: expected \(2, 2\)"):
        Engine(fake.loaded, replace(fake.robot, view_size=(4, 4)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"guidance_scale": float("nan")}, "guidance_scale"),
        ({"threads": 0}, "threads"),
        ({"decode_context": 0}, "decode_context"),
        ({"evaluations": 9}, "evaluations"),
        ({"predicted_video": "some"}, "predicted_video"),
        ({"evaluations": 8, "timesteps": 4}, "evaluations"),
        ({"final_video_sigma": 1.5}, "final_sigma"),
    ],
)
def test_options_are_checked_by_name(fake, options, message):
    with pytest.raises(ValueError, match=message):
        fake.engine(**options)


@pytest.fixture(scope="module")
def tiny():
    robot = get("droid")
    return Engine(load("random:tiny", robot), robot), robot


def episode(engine, robot, instants, prepare=False):
    """Chunks and latents of calls at these frames of one made-up episode.

    With ``prepare`` the engine is also given every frame between them, as a worker does.
    """
    whole = robot.example(frames=max(instants) + 1)
    session, results = engine.new_session(1), []
    for newest in range(max(instants) + 1):
        seen = slice(max(0, newest - 16), newest + 1)
        observation = Observation(
            whole.canvases[seen], whole.stamps_ns[seen], whole.state, whole.prompt
        )
        if newest in instants:
            results.append(engine.infer(session, observation))
        if prepare:
            engine.prepare(session, observation, 3)
    return session, results


def largest_difference(ours, theirs):
    """Of rows and latents, over the largest value."""
    pairs = [
        (torch.from_numpy(one.chunk.rows), torch.from_numpy(other.chunk.rows))
        for one, other in zip(ours, theirs, strict=True)
    ]
    pairs += [(one.latents, other.latents) for one, other in zip(ours, theirs, strict=True)]
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


CALLS = [0, 3, 8, 11, 16, 19, 24, 32, 40, 43]
"""Boundaries, look-aheads, a window that is full, and the one after it."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "options", [{"evaluations": 2}, {"guidance_scale": 1.0, "evaluations": 2, "restart": "warm"}]
)
def test_the_fast_engine_is_the_literal_one(options):
    """Packed, trimmed and streamed, prepared between calls; against nothing of it."""
    robot = get("droid")
    weights = load("random:tiny", robot)
    options = {"predicted_video": "guided", **options}
    fast = Engine(weights, robot, EngineOptions(**options))
    slow = Engine(weights, robot, EngineOptions(literal=True, **options))
    ours = episode(fast, robot, CALLS, prepare=True)[1]
    theirs = episode(slow, robot, CALLS)[1]
    assert [r.reset_reason for r in ours] == [r.reset_reason for r in theirs]
    assert largest_difference(ours, theirs) < 1e-5


def test_without_a_predicted_video_the_chunks_are_the_same_and_none_is_shown():
    robot = get("droid")
    weights = load("random:tiny", robot)
    full, none = (
        Engine(weights, robot, EngineOptions(predicted_video=video, evaluations=2))
        for video in ("guided", "none")
    )
    session, blind = episode(none, robot, CALLS[:3])
    for one, other in zip(blind, episode(full, robot, CALLS[:3])[1], strict=True):
        np.testing.assert_allclose(one.chunk.rows, other.chunk.rows, atol=1e-5)
        assert one.latents is None
    assert none.predicted_frames(session, blind[-1]) is None
    assert not any(result.divergence for result in blind)


def test_the_untrained_model_answers_the_robot_s_example(tiny):
    engine, robot = tiny
    assert engine.untrained
    assert "untrained" in engine.description
    session, results = episode(engine, robot, [0, 3, 8, 12])
    assert [result.kind for result in results] == ["commit", "lookahead"] * 2
    state = robot.example(frames=13).state
    for result in results:
        assert result.chunk.rows.shape == (24, 8)
        assert np.abs(result.chunk.rows[:, :7] - state[:7]).max() < 1.0
        assert torch.isfinite(result.latents).all()
    stamps, frames = engine.predicted_frames(session, results[-1])
    assert frames.dtype == np.uint8
    assert len(stamps) == len(frames) == 8


def test_looking_ahead_and_preparing_change_no_later_number(tiny):
    engine, robot = tiny
    plain = episode(engine, robot, [0, 8, 16])[1]
    busy = episode(engine, robot, [0, 2, 5, 8, 12, 13, 16], prepare=True)[1]
    for ours, theirs in zip(plain, (busy[0], busy[3], busy[6]), strict=True):
        assert torch.equal(ours.latents, theirs.latents)
        np.testing.assert_array_equal(ours.chunk.rows, theirs.chunk.rows)


def test_warming_up_leaves_nothing_behind(tiny):
    engine, robot = tiny
    before = episode(engine, robot, [0])[1][0]
    engine.warm_up()
    after = episode(engine, robot, [0])[1][0]
    assert torch.equal(before.latents, after.latents)


def test_starting_and_answering_compile_nothing(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("compiled")

    monkeypatch.setattr(torch, "compile", refuse)
    monkeypatch.setattr(torch.jit, "script", refuse)
    robot = get("droid")
    engine = Engine(load("random:tiny", robot), robot, EngineOptions(evaluations=4))
    engine.warm_up()
    assert episode(engine, robot, [0])[1][0].evaluations == 4
