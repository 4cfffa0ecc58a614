"""Every golden case passes, and what is wrong with one is found."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from dreamzero_policy.golden.checks import cases, run
from dreamzero_policy.golden.report import Case


def copied(golden_dir, folder, *names):
    """A directory with these cases only, and whatever they read."""
    for name in names:
        for suffix in ("json", "safetensors"):
            shutil.copy(golden_dir / f"{name}.{suffix}", folder)
    return folder


def rewritten(folder, name, change):
    """Changes the scalars of a case."""
    path = folder / f"{name}.json"
    description = json.loads(path.read_text())
    change(description["scalars"])
    path.write_text(json.dumps(description))


def names(golden_dir):
    return cases(golden_dir)


@pytest.mark.timeout(600)
def test_every_case_passes(golden_dir):
    missed = [
        (case.name, case.error, [row for row in case.rows if not row.passed])
        for case in run(golden_dir, names(golden_dir))
        if not case.passed
    ]
    assert not missed


def test_every_kind_of_case_is_there_and_parts_of_cases_are_not(golden_dir):
    found = set(names(golden_dir))
    assert {"samplers", "normalizers", "relative_stats", "t5_small", "clip_small"} <= found
    assert not {"dit_a_weights", "clip_a"} & found
    assert sum(name.startswith("loop_") for name in found) >= 7


def test_a_changed_number_is_a_miss(golden_dir, tmp_path):
    folder = copied(golden_dir, tmp_path, "normalizers")
    tensors = load_file(folder / "normalizers.safetensors")
    tensors["q99/forward"] = tensors["q99/forward"].clone()
    tensors["q99/forward"][0, 0] += 1e-9
    save_file(tensors, folder / "normalizers.safetensors")
    (checked,) = run(folder, cases(folder))
    assert [row.name for row in checked.rows if not row.passed] == ["q99/forward"]
    assert not checked.passed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps_run", [0, 1, 2]),
        ("restarted", True),
        ("denoise_start_frame", 5),
        ("vae_input_frames", [[0, 1, 2, 3]]),
        ("model_calls", ["refresh"]),
        ("video_timesteps", [1000]),
    ],
)
def test_another_decision_is_a_miss(golden_dir, tmp_path, field, value):
    parts = "dit_a_weights", "clip_a", "loop_a_nocfg_full"
    folder = copied(golden_dir, tmp_path, *parts)
    rewritten(folder, parts[2], lambda scalars: scalars["calls"][1].update({field: value}))
    (checked,) = run(folder, cases(folder))
    assert [row.name for row in checked.rows if not row.passed] == [f"call1 {field}"]
    assert not checked.error


def test_other_guidance_moves_the_numbers(golden_dir, tmp_path):
    parts = "dit_a_weights", "clip_a", "loop_a_cfg5_4step"
    folder = copied(golden_dir, tmp_path, *parts)
    rewritten(folder, parts[2], lambda scalars: scalars.update(cfg_scale=4.0))
    (checked,) = run(folder, cases(folder))
    missed = {row.name for row in checked.rows if not row.passed}
    assert "call0/velocity_video" in missed
    assert "call0/velocity_video_cond_step0" not in missed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scalars: scalars.pop("config"), "no scalar 'config'"),
        (lambda scalars: scalars.update(weights="absent"), "no file"),
        (lambda scalars: scalars["config"].update(num_layers=3), "Missing key"),
    ],
)
def test_a_case_that_cannot_be_run_has_failed(golden_dir, tmp_path, change, message):
    folder = copied(golden_dir, tmp_path, "dit_a_weights", "clip_a", "dit_a_infer")
    rewritten(folder, "dit_a_infer", change)
    (checked,) = run(folder, cases(folder))
    assert message in checked.error
    assert not checked.passed


def test_truncated_files_and_unknown_cases_are_errors(golden_dir, tmp_path):
    folder = copied(golden_dir, tmp_path, "normalizers")
    whole = (folder / "normalizers.safetensors").read_bytes()
    (folder / "normalizers.safetensors").write_bytes(whole[:-20])
    (checked,) = run(folder, ("normalizers",))
    assert "normalizers.safetensors" in checked.error
    (folder / "other.json").write_text("{}")
    with pytest.raises(ValueError, match="no check for other"):
        cases(folder)
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="expected golden files"):
        cases(folder / "empty")


def test_what_counts_as_equal(tmp_path):
    case = Case(tmp_path, "made up", {}, {"a": torch.tensor([0.0, 10.0])})
    case.compare("a", torch.tensor([0.09, 10.0]), tolerance=0.01)
    case.compare("a", torch.tensor([0.2, 10.0]), tolerance=0.01)
    case.compare("a", torch.tensor([float("nan"), 10.0]), tolerance=0.01)
    case.compare("a", torch.tensor([10.0]), tolerance=1.0)
    case.decide("steps", [1], [1, 2])
    assert [row.passed for row in case.rows] == [True, False, False, False, False]
    assert case.rows[1].relative == pytest.approx(0.02)
    assert "shape" in case.rows[3].note
    assert case.rows[4].note == "expected [1, 2], got [1]"
