"""What several folders share: a recording that closed the loop, small graphs, what is not well."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dreamzero_bringup.demo.recording import (
    ControllerReport,
    Picture,
    PolicyReport,
    Recording,
    State,
)
from dreamzero_bringup.demo.recording import ReceivedChunk as Received
from dreamzero_bringup.doctor.finding import Level
from dreamzero_bringup.graph.graph import build
from dreamzero_bringup.graph.options import Options
from dreamzero_policy.embodiments.droid import DROID
from dreamzero_policy.types import NS_PER_S, ActionChunk

START = 1_000 * NS_PER_S
SECONDS, LAG_S = 6, 0.05


def target(seconds: float) -> np.ndarray:
    """Where the joints should be: joints 1 and 7 sweep, the gripper closes half-way."""
    pose = np.array(DROID.home)
    pose[0] += 0.3 * np.sin(seconds)
    pose[6] += 0.2 * np.sin(0.7 * seconds)
    pose[7] = 0.5
    return pose


def controller_report(seconds: float, **changes) -> ControllerReport:
    fields = {
        "received_ns": START + round(seconds * NS_PER_S),
        "mode": "ACTIVE",
        "enabled": True,
        "hold_reason": "",
        "message": "",
        "chunk_age_s": 0.4,
        "rows_left": 12.0,
        "chunks_accepted": int(2 * seconds) + 1,
        "chunks_refused": 0,
        "last_refusal": "",
        "rows_skipped": 5,
        "limited_joints": (),
        "limited_ticks": dict.fromkeys(DROID.action_joints, 0),
        "ticks": int(30 * seconds) + 1,
        "ticks_without_chunk": 0,
        "period_mean_s": 1 / 30,
        "period_worst_s": 0.001,
        "tick_cpu_s": 0.0005,
    }
    return ControllerReport(**{**fields, **changes})


def policy_report(index: int) -> PolicyReport:
    return PolicyReport(
        received_ns=START + index * NS_PER_S // 2,
        state="RUNNING",
        session=START,
        chunks=index + 1,
        replans=index,
        kv_refreshes=index // 3,
        resets=1,
        evaluations=16,
        skipped=0,
        dropped=0,
        cancelled=2,
        reset_reasons={"first_call": 1},
        canvas_age_s=0.05,
        latency_s=0.4,
        stages={"encode": 0.1, "denoise": 0.25},
        percentiles={
            "encode": (0.1, 0.2, 0.3),
            "denoise 1": (0.2, 0.25, 0.3),
            "denoise": (0.2, 0.25, 0.3),
            "total": (0.3, 0.5, 0.6),
        },
        weights="untrained tiny",
        untrained=True,
        message="",
    )


def picture(stamp_ns: int, shade: int) -> Picture:
    image = np.full((352, 640, 3), shade, dtype=np.uint8)
    return Picture(stamp_ns, stamp_ns + 1, cv2.imencode(".jpg", image)[1].tobytes())


@pytest.fixture
def recording() -> Recording:
    made = Recording(DROID, started_ns=START - 4 * NS_PER_S)
    for tick in range(SECONDS * 30):
        seconds = tick / 30
        made.add_command(START + round(seconds * NS_PER_S), target(seconds))
        made.states.append(State(START + round(seconds * NS_PER_S), target(seconds - LAG_S)))
    for index in range(SECONDS * 2):
        begin = index / 2
        chunk = ActionChunk(
            observation_ns=START + round(begin * NS_PER_S),
            start_ns=START + round(begin * NS_PER_S),
            step_ns=NS_PER_S // 15,
            rows=np.array([target(begin + row / 15) for row in range(24)]),
            names=DROID.action_joints,
            session=START,
            sequence=index,
        )
        made.chunks.append(Received(chunk.start_ns + 400_000_000, chunk))
        made.policy += [policy_report(index), policy_report(index)]
    made.controller += [controller_report(tenth / 10) for tenth in range(SECONDS * 10)]
    frame_ns = DROID.time_base.frame_ns
    for index in range(SECONDS * 5):
        stamp = START + index * frame_ns
        made.seen.append(picture(stamp, 40 + index))
        if index % 2:
            made.predicted.append(picture(stamp, 200))
    made.ended_ns = START + SECONDS * NS_PER_S
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder with a robot and the controller's settings."""
    (tmp_path / "robots").mkdir()
    (tmp_path / "robots" / "droid.yaml").write_text(
        "/**/sim_driver:\n  ros__parameters:\n    seed: 3\n"
    )
    (tmp_path / "controller.yaml").write_text(
        "/**:\n  ros__parameters:\n    rate_hz: 30.0\n    chunk_max_age_s: 2.0\n"
    )
    return tmp_path


@pytest.fixture
def nodes():
    """Builds a graph of a configuration folder: what starts, by name."""

    def built(config: Path, **choices):
        specs = build(Options(**{"robot": "droid", "config_dir": config, **choices}))
        return {spec.name: spec for spec in specs}

    return built


@pytest.fixture
def complaints():
    """What is not well among findings: ``what`` to finding; every one has a way out."""

    def of(findings):
        found = {f.what: f for f in findings if f.level in (Level.WARN, Level.FAIL)}
        assert all(finding.fix for finding in found.values())
        return found

    return of
