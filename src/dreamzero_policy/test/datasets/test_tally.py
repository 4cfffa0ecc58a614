"""Statistics in two passes over parts equal those of everything at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamzero_policy.datasets.statistics import merged
from dreamzero_policy.datasets.tally import Tally, relative_rows
from dreamzero_policy.normalize import Statistics, relative_statistics

FIELDS = ("q01", "q99", "min", "max", "mean", "std")


def close(got, expected, tolerance=1e-9):
    for name in FIELDS:
        np.testing.assert_allclose(
            getattr(got, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name
        )


def test_parts_of_any_distribution_add_up_to_the_whole():
    rng = np.random.default_rng(1)
    columns = [
        rng.normal(0.3, 2.0, 5000),
        rng.integers(0, 2, 5000).astype(float),  # a gripper
        np.full(5000, 0.25),  # dead
        np.where(rng.random(5000) < 0.985, 0.0, rng.uniform(-50, 50, 5000)),  # rare and far
        rng.normal(100.0, 1e-5, 5000),
    ]
    values = np.stack(columns, axis=1)
    parts = np.split(values, [7, 8, 1000, 4999])
    close(merged(parts), Statistics.of(values))


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=40), min_size=1, max_size=6
    )
)
def test_any_parts_add_up_to_the_whole(parts):
    arrays = [np.array(part)[:, None] for part in parts]
    close(merged(arrays), Statistics.of(np.concatenate(arrays)), 1e-8)


def test_the_order_of_parts_changes_no_percentile():
    rng = np.random.default_rng(2)
    parts = [rng.normal(size=(n, 3)) for n in (5, 90, 1, 33)]
    one, other = merged(parts), merged(parts[::-1])
    for name in ("q01", "q99", "min", "max"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("bad", [np.empty((0, 2)), np.array([[np.nan]]), np.zeros(3)])
def test_what_has_no_statistics_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite"):
        Tally.of(bad)


def relative(actions, states, horizon):
    parts = [relative_rows(a, s, horizon) for a, s in zip(actions, states, strict=True)]
    parts = [part for part in parts if len(part)]
    per_row = merged(parts)
    width = actions[0].shape[1]
    pooled = merged([part.reshape(-1, width) for part in parts])
    return pooled, per_row


def test_relative_statistics_are_those_of_the_reference(golden_dir):
    from safetensors.numpy import load_file

    from dreamzero_policy.datasets.files import read_json

    tensors = load_file(golden_dir / "relative_stats.safetensors")
    horizon = read_json(golden_dir / "relative_stats.json")["scalars"]["horizon"]
    actions = [tensors[f"traj{n}/action"] for n in range(2)]
    states = [tensors[f"traj{n}/state"] for n in range(2)]
    pooled, per_row = relative(actions, states, horizon)
    for name in FIELDS:
        np.testing.assert_allclose(getattr(pooled, name), tensors[f"pooled/{name}"], atol=1e-6)
        got = getattr(per_row, name).reshape(horizon, -1)
        np.testing.assert_allclose(got, tensors[f"per_horizon/{name}"], atol=1e-6)


def test_pooling_a_tally_is_pooling_its_values():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 4 * 3))
    parts = [Tally.of(part) for part in np.split(values, [50, 120])]
    whole = Tally.total(parts).pooled(4)
    direct = Tally.of(values.reshape(-1, 3))
    assert whole.count == direct.count
    np.testing.assert_allclose(whole.mean, direct.mean, atol=1e-12)
    np.testing.assert_allclose(whole.squares, direct.squares, rtol=1e-12)
    for one, two in zip(whole.bins, direct.bins, strict=True):
        np.testing.assert_array_equal(one, two)


def test_added_up_in_groups_is_added_up_one_by_one_to_the_last_bit():
    rng = np.random.default_rng(5)
    parts = [Tally.of(rng.normal(size=(n, 3))) for n in (5, 90, 1, 33, 60)]
    at_once, one_by_one = Tally.total(parts), parts[0]
    for part in parts[1:]:
        one_by_one = Tally.total([one_by_one, part])
    for one, two in zip(vars(at_once).values(), vars(one_by_one).values(), strict=True):
        np.testing.assert_equal(one, two)


def test_short_episodes_have_no_chunk():
    assert relative_rows(np.zeros((5, 2)), np.zeros((5, 2)), 6).shape == (0, 12)
    rng = np.random.default_rng(4)
    actions, states = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    pooled, _ = relative([actions], [states], 6)
    close(pooled, relative_statistics([actions], [states], 6)[0])
