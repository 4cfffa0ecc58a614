"""Validation finds what was done to an episode, and says what mends it."""

import pytest

from dreamzero_policy.episodes.validation import validate
from dreamzero_policy.recording.quality import Thresholds
from dreamzero_policy.types import NS_PER_S


def texts(verdict, weight="error"):
    return " | ".join(one.text for one in verdict.findings if one.weight == weight)


def test_a_good_episode_is_good(station):
    verdict = validate(station / "good")
    assert (verdict.grade, verdict.findings) == ("good", ())


def test_what_is_broken_is_named(station):
    cut = validate(station / "cut")
    assert cut.grade == "bad"
    assert cut.remedy == f"dreamzero recover {station / 'cut'}"
    damaged = validate(station / "damaged")
    assert damaged.grade == "bad"
    assert "crc" in texts(damaged).lower()
    assert "expected metadata" in texts(validate(station / "nonsense"))


def gap(topic, at_ns, values):
    lost = topic == "wrist/image_raw/compressed" and NS_PER_S < at_ns < 1.8 * NS_PER_S
    return None if lost else values


def no_wrist(topic, at_ns, values):
    return None if topic.startswith("wrist") else values


def jump(topic, at_ns, values):
    if topic == "joint_states" and at_ns > NS_PER_S:
        values["stamp_ns"] = at_ns - 5 * NS_PER_S
    return values


def fewer_joints(topic, at_ns, values):
    if topic == "joint_states" and at_ns > NS_PER_S:
        values["name"], values["position"] = values["name"][:-1], values["position"][:-1]
    return values


@pytest.mark.parametrize(
    ("change", "weight", "said"),
    [
        (gap, "warning", "wrist/image_raw/compressed: gap of 0.80 s"),
        (no_wrist, "error", "expected topic /wrist/image_raw"),
        (jump, "error", "the clock was set back"),
        (fewer_joints, "error", "expected joints panda_joint1"),
    ],
)
def test_a_spoiled_stream_is_found(tmp_path, record, change, weight, said):
    verdict = validate(record(tmp_path / "spoiled", change=change))
    assert said in texts(verdict, weight)
    assert verdict.grade == ("bad" if weight == "error" else "marked")


def test_facts_that_a_dataset_lacks_and_stricter_thresholds(tmp_path, record):
    folder = record(tmp_path / "bare", instructions=(), outcome="unknown", facts={"robot": "droid"})
    verdict = validate(folder)
    assert "no instruction" in texts(verdict)
    assert "nobody said how it went" in texts(verdict, "warning")
    strict = validate(folder, Thresholds(max_gap_s=0.05))
    assert "wrist/image_raw/compressed: gap" in texts(strict, "warning")
    unknown = validate(record(tmp_path / "unknown", facts={"robot": "hal"}))
    assert "hal" in texts(unknown)
