import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from dreamzero_policy.embodiments import get
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase, View
from dreamzero_policy.normalize import ModelVectors, Normalizer, Statistics, relative_statistics

ROBOTS = ("oxe_droid", "agibot", "yam")


def read(folder, name):
    """The scalars and the tensors of a golden file."""
    scalars = json.loads((folder / f"{name}.json").read_text())["scalars"]
    return scalars, load_file(folder / f"{name}.safetensors")


def rounded(statistics):
    """Statistics in float32, as the reference's normaliser makes them of the plain lists it got."""
    return {name: np.array(v, np.float32).astype(np.float64) for name, v in statistics.items()}


def embodiment_of(scalars, tensors):
    """The embodiment that a golden file's key orders describe; joints are columns with a number."""

    def keys(kind, prefix):
        order = scalars[f"{kind}_order"]
        relative = scalars["relative_action_keys"] if kind == "action" else ()
        return tuple(Key(k, tensors[f"{prefix}.{k}"].shape[1], k in relative) for k in order)

    state_keys, action_keys = keys("state", "obs/state"), keys("action", "relative/absolute")
    measured = {key.name for key in state_keys}
    joints = tuple(
        Joint(f"{key.name}.{i}", kind, -1.0, 1.0, 1.0, 1.0, 1.0)
        for key in action_keys
        for kind in ("revolute" if key.name in measured else "base",)
        for i in range(key.width)
    )
    return Embodiment(
        name=scalars["embodiment"],
        tag=scalars["embodiment"],
        joints=joints,
        state_joints=tuple(f"{key.name}.{i}" for key in state_keys for i in range(key.width)),
        state_keys=state_keys,
        action_keys=action_keys,
        views=(View("only", "only", 0, 0),),
        native_size=(180, 320),
        view_size=(176, 320),
        time_base=TimeBase(15, 3, scalars["action_horizon"]),
        prompt="{}",
        home=(0.0,) * len(joints),
    )


def vectors_of(scalars, embodiment):
    statistics = {
        kind: {key: Statistics.from_mapping(key, values) for key, values in keys.items()}
        for kind, keys in scalars["statistics"].items()
    }
    return ModelVectors(embodiment, statistics["state"], statistics["action"])


@pytest.fixture(params=ROBOTS)
def golden(request, golden_dir):
    scalars, tensors = read(golden_dir, f"transforms_{request.param}")
    embodiment = embodiment_of(scalars, tensors)
    return scalars, tensors, embodiment, vectors_of(scalars, embodiment)


def raw_state(scalars, tensors, prefix):
    return np.concatenate([tensors[f"{prefix}.{k}"] for k in scalars["state_order"]], axis=1)


def test_state_is_that_of_the_reference(golden):
    scalars, tensors, _, vectors = golden
    state = vectors.state(raw_state(scalars, tensors, "obs/state")[-1])
    np.testing.assert_allclose(state, tensors["input/state"][0, 0], atol=1e-12)
    np.testing.assert_array_equal(vectors.state_mask, tensors["input/state_mask"][0, 0])


def test_actions_are_those_of_the_reference(golden):
    scalars, tensors, _, vectors = golden
    raw = raw_state(scalars, tensors, "obs/state")[-1]
    actions = vectors.actions(tensors["output/normalized_action"][0], raw)
    expected = [tensors[f"output/action.{key}"][0] for key in scalars["action_order"]]
    np.testing.assert_allclose(actions, np.concatenate(expected, axis=1), atol=1e-6)


def test_training_vectors_are_those_of_the_reference(golden):
    scalars, tensors, _, vectors = golden
    horizon = scalars["action_horizon"]
    absolute = [tensors[f"relative/absolute.{key}"] for key in scalars["action_order"]]
    absolute = np.concatenate(absolute, axis=1).reshape(-1, horizon, vectors.action_mask.sum())
    first_rows = tensors["relative/step_indices"][::horizon]
    anchors = tensors["relative/state_trajectory"][first_rows]
    rows = [vectors.normalised_actions(a, s) for a, s in zip(absolute, anchors, strict=True)]
    np.testing.assert_allclose(np.concatenate(rows), tensors["train/out.action"], atol=1e-12)
    np.testing.assert_array_equal(vectors.action_mask, tensors["train/out.action_mask"][0])
    states = raw_state(scalars, tensors, "train/state")
    got = [vectors.state(state) for state in states]
    np.testing.assert_allclose(got, tensors["train/out.state"], atol=1e-12)


@pytest.mark.parametrize("mode", ["q99", "min_max", "mean_std", "binary", "scale"])
def test_normalizer_is_that_of_the_reference(golden_dir, mode):
    scalars, tensors = read(golden_dir, "normalizers")
    normalizer = Normalizer(mode, Statistics.from_mapping("x", rounded(scalars["statistics"])))
    np.testing.assert_allclose(
        normalizer.forward(tensors["x"]), tensors[f"{mode}/forward"], atol=1e-12
    )
    if mode == "scale":
        with pytest.raises(ValueError, match="no inverse"):
            normalizer.inverse(tensors["z"])
    else:
        np.testing.assert_allclose(
            normalizer.inverse(tensors["z"]), tensors[f"{mode}/inverse"], atol=1e-12
        )


@pytest.mark.parametrize("mode", ["q99", "min_max", "mean_std"])
def test_statistics_per_row_are_those_of_the_reference(golden_dir, mode):
    scalars, tensors = read(golden_dir, "normalizers")
    statistics = Statistics.from_mapping("x", rounded(scalars["per_horizon_statistics"]))
    normalizer = Normalizer(mode, statistics)
    chunks = tensors["horizon/x"].reshape(-1, *statistics.q01.shape)
    np.testing.assert_allclose(
        normalizer.forward(chunks).reshape(tensors["horizon/x"].shape),
        tensors[f"horizon/{mode}/forward"],
        atol=1e-12,
    )
    np.testing.assert_allclose(
        normalizer.inverse(tensors["horizon/z"]), tensors[f"horizon/{mode}/inverse"], atol=1e-12
    )


def test_relative_statistics_are_those_of_the_reference(golden_dir):
    scalars, tensors = read(golden_dir, "relative_stats")
    count = len(scalars["lengths"])
    pooled, per_row = relative_statistics(
        [tensors[f"traj{i}/action"] for i in range(count)],
        [tensors[f"traj{i}/state"] for i in range(count)],
        scalars["horizon"],
    )
    for name in ("q01", "q99", "min", "max", "mean", "std"):
        np.testing.assert_allclose(getattr(pooled, name), tensors[f"pooled/{name}"], atol=1e-12)
        np.testing.assert_allclose(
            getattr(per_row, name), tensors[f"per_horizon/{name}"], atol=1e-12
        )


def test_relative_statistics_of_a_ramp_are_known():
    time = np.arange(40.0)[:, None]
    pooled, per_row = relative_statistics([0.5 * time], [0.5 * time - 0.25], horizon=5)
    np.testing.assert_allclose(per_row.mean[:, 0], 0.25 + 0.5 * np.arange(5))
    np.testing.assert_allclose(per_row.std, 0.0, atol=1e-12)
    assert (pooled.min[0], pooled.max[0]) == (0.25, 2.25)


@pytest.mark.parametrize(
    ("actions", "states", "horizon", "message"),
    [
        ([np.zeros((4, 1))], [np.zeros((4, 1))], 5, "no episode has the 5 rows"),
        ([np.zeros((9, 1))], [np.zeros((8, 1))], 5, r"got \[9, 1\] and \[8, 1\]"),
        ([np.zeros((9, 1))], [], 5, "got 1 and 0 arrays"),
    ],
)
def test_relative_statistics_refuse_what_does_not_pair_up(actions, states, horizon, message):
    with pytest.raises(ValueError, match=message):
        relative_statistics(actions, states, horizon)


def simple(width, low=-2.0, high=3.0):
    lower, upper = np.full(width, low), np.full(width, high)
    return Statistics(lower, upper, lower, upper, (lower + upper) / 2, (upper - lower) / 4)


def droid_vectors(**changes):
    stats = {"joint_position": simple(7), "gripper_position": simple(1, 0.0, 1.0)}
    return ModelVectors(get("droid"), {**stats, **changes}, stats)


@settings(deadline=None)
@given(
    st.lists(st.floats(-2.0, 3.0), min_size=3, max_size=3),
    st.sampled_from(["q99", "min_max", "mean_std"]),
)
def test_inverse_undoes_forward_inside_the_range(values, mode):
    normalizer = Normalizer(mode, simple(3))
    np.testing.assert_allclose(normalizer.inverse(normalizer.forward(values)), values, atol=1e-12)


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_forward_never_leaves_the_range_the_model_was_trained_on(value):
    for mode in ("q99", "min_max"):
        assert np.abs(Normalizer(mode, simple(1)).forward([value])).max() <= 1.0


@settings(deadline=None)
@given(
    st.lists(st.floats(-100.0, 100.0), min_size=3, max_size=3),
    st.sampled_from(["q99", "min_max", "mean_std"]),
)
def test_without_the_clip_inverse_undoes_forward_anywhere(values, mode):
    normalizer = Normalizer(mode, simple(3))
    unclipped = normalizer.forward(values, clip=False)
    np.testing.assert_allclose(normalizer.inverse(unclipped), values, atol=1e-10)
    np.testing.assert_allclose(
        normalizer.forward(values),
        unclipped if mode == "mean_std" else np.clip(unclipped, -1.0, 1.0),
    )


def test_a_column_that_never_moved_gives_its_constant_back():
    still = Normalizer("q99", simple(1, 0.25, 0.25))
    assert still.forward(np.array([0.6])) == 0.6
    assert still.forward(np.array([7.0])) == still.forward(np.array([7.0]), clip=False) == 1.0
    assert still.inverse(np.array([-0.4])) == 0.25


def test_absolute_actions_far_away_survive_it_without_the_clip():
    vectors, rng = droid_vectors(), np.random.default_rng(0)
    state, absolute = rng.uniform(-2.0, 2.0, 8), rng.uniform(-9.0, 9.0, (24, 8))
    normalised = vectors.normalised_actions(absolute, state, clip=False)
    np.testing.assert_allclose(vectors.actions(normalised, state), absolute, atol=1e-12)
    assert not normalised[:, 8:].any()
    clipped = vectors.normalised_actions(absolute, state)
    np.testing.assert_array_equal(clipped, normalised.clip(-1.0, 1.0))


def test_absolute_actions_survive_the_round_trip():
    vectors, rng = droid_vectors(), np.random.default_rng(0)
    state = rng.uniform(0.0, 0.5, 8)
    absolute = rng.uniform(0.0, 0.9, (24, 8))
    normalised = vectors.normalised_actions(absolute, state)
    assert normalised.shape == (24, 32)
    assert not normalised[:, 8:].any()
    np.testing.assert_allclose(vectors.actions(normalised, state), absolute, atol=1e-6)


def test_the_state_moves_relative_joints_only():
    vectors, state = droid_vectors(), np.linspace(0.1, 0.8, 8)
    moved = vectors.actions(np.zeros((3, 32)), state) - vectors.actions(
        np.zeros((3, 32)), 0 * state
    )
    np.testing.assert_allclose(moved, np.tile([*state[:7], 0.0], (3, 1)), atol=1e-12)


def test_a_key_without_statistics_is_named():
    with pytest.raises(ValueError, match=r"no action statistics for \['gripper_position'\]"):
        ModelVectors(
            get("droid"),
            {"joint_position": simple(7), "gripper_position": simple(1)},
            {"joint_position": simple(7)},
        )


def test_statistics_of_another_width_are_refused():
    with pytest.raises(ValueError, match="gripper_position: expected 1 columns, got 2"):
        droid_vectors(gripper_position=simple(2))


def test_a_robot_wider_than_the_model_is_refused():
    stats = {"joint_position": simple(7), "gripper_position": simple(1)}
    with pytest.raises(ValueError, match="state of 8 does not fit the model's 7"):
        ModelVectors(get("droid"), stats, stats, max_state_dim=7)


def test_vectors_of_another_shape_are_refused():
    vectors = droid_vectors()
    with pytest.raises(ValueError, match=r"raw state: expected \[8\], got \[7\]"):
        vectors.state(np.zeros(7))
    with pytest.raises(ValueError, match=r"expected \[H, 32\], got \[24, 8\]"):
        vectors.actions(np.zeros((24, 8)), np.zeros(8))
    with pytest.raises(ValueError, match=r"expected \[H, 8\], got \[24, 32\]"):
        vectors.normalised_actions(np.zeros((24, 32)), np.zeros(8))


def test_statistics_say_what_is_wrong_with_them():
    whole = {name: [0.0] for name in ("q01", "q99", "min", "max", "mean", "std")}
    with pytest.raises(ValueError, match=r"statistics of arm: .*missing \['q99'\]"):
        Statistics.from_mapping("arm", {k: v for k, v in whole.items() if k != "q99"})
    with pytest.raises(ValueError, match="statistics of arm: max: expected finite"):
        Statistics.from_mapping("arm", {**whole, "max": [float("nan")]})
    with pytest.raises(ValueError, match="statistics of arm: std: expected"):
        Statistics.from_mapping("arm", {**whole, "std": [0.0, 1.0]})
    with pytest.raises(ValueError, match="q01 <= q99"):
        Statistics.from_mapping("arm", {**whole, "q01": [1.0]})
    with pytest.raises(ValueError, match="normalisation mode: expected one of"):
        Normalizer("q95", simple(1))


def test_statistics_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        simple(2).mean[0] = 1.0
