"""Studies from recordings to page at a microscopic size; figures of it mean nothing."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("mujoco")
pytest.importorskip("dreamzero_msgs.msg")

import paper_findings
from paper.sizes import Size
from paper.studies import World, studies
from paper.work import Work
from sim_driver.cameras import RenderingUnavailableError
from sim_driver.virtual import VirtualRobot

SMALL = (
    *("dim=24", "ffn_dim=32", "num_heads=2", "num_layers=1", "hidden_size=16", "freq_dim=32"),
    *("vae.base_dim=4", "vae.decoder_base_dim=4", "text.num_layers=1", "image.num_layers=2"),
)
MICRO = Size(
    **{"model": SMALL, "picture_width": 80, "own_minutes": 0.2, "distinct": 1},
    **{"new_minutes": 0.2, "video_minutes": 0.2, "vae_steps": 2, "steps": 2, "tuning_steps": 1},
    **{"decide_steps": 1, "everywhere_steps": 1, "decide_batch": 1, "batch": 2, "chunks": 2},
    **{"evaluations": 1, "time_limit_s": 2.0, "seeds": 1, "rollouts": 1},
)


def command(*arguments, folder):
    """As a person asks for it."""
    changes = [f"model={each}" for each in MICRO.model]
    changes += [f"{name}={value}" for name, value in MICRO.plain().items() if name != "model"]
    sets = [word for change in changes for word in ("--set", change)]
    where = ["--work", str(folder / "work"), "--out", str(folder / "out"), "--workers", "1"]
    return ["paper_findings.py", *arguments, *sets, *where]


@pytest.fixture(scope="module")
def rendering():
    """Skips where nothing can be drawn."""
    scene = VirtualRobot("droid", "reach", 0, picture_size=(45, 80))
    try:
        scene.see()
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    finally:
        scene.close()


def test_what_is_wrong_is_said_before_anything_is_made(monkeypatch, capsys, tmp_path):
    for arguments, message in (
        (["joint", "--set", "speed=1"], "expected NAME=VALUE"),
        (["joint", "--cells", "nobody"], "no cell has such a name"),
        (["joint", "--rollouts", "0"], "rollouts: expected above 0"),
        (["seams", "--policy", str(tmp_path)], "policy: expected a checkpoint's folder"),
        (["joint", "--start", str(tmp_path)], "start: expected a checkpoint's folder"),
        (["all", "--start", str(tmp_path)], "what an arm of diversity begins with"),
        (["joint", "--encoders", str(tmp_path)], "encoders: expected a checkpoint's folder"),
        (["joint", "--data", str(tmp_path)], "data: expected a dataset's folder"),
    ):
        monkeypatch.setattr("sys.argv", [*command(folder=tmp_path), *arguments])
        assert paper_findings.main() == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_dry_run_makes_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", command("all", "--dry-run", folder=tmp_path))
    assert paper_findings.main() == 0
    said = capsys.readouterr().out
    assert "refresh/predicted frames/0" in said
    assert "training" in said
    monkeypatch.setattr("sys.argv", command("joint", "--report", folder=tmp_path))
    assert paper_findings.main() == 0
    assert "joint: not run" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_from_recordings_to_the_page_and_on_where_it_was(rendering, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", command("all", "--hours", "1e-9", folder=tmp_path))
    assert paper_findings.main() == 0  # no time: nothing but that is said
    assert "cells are left" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", command("refresh", "--cells", "predicted", folder=tmp_path))
    assert paper_findings.main() == 0
    page = (tmp_path / "out" / "refresh.md").read_text()
    assert "not run" in page
    found = json.loads((tmp_path / "out" / "refresh.json").read_text())
    states = {row["arm"]: row["state"] for row in found["rows"]}
    assert states == {
        "observed frames": "not run",
        "predicted frames": "measured",
        "no history": "not run",
    }
    # Other noise, videos alone, another robot after this one, another seam: the rest is like these.
    chosen = ("joint", "refresh", "transfer", "few_shot", "seams")
    monkeypatch.setattr("sys.argv", command(*chosen, folder=tmp_path))
    assert paper_findings.main() == 0
    for name in chosen:
        found = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        assert {row["state"] for row in found["rows"]} == {"measured"}, name
        # One seed and one rollout conclude nothing.
        assert {one["verdict"] for one in found["conclusions"]} == {"cannot be told at this size"}
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 5000
    work = Work(tmp_path / "work", World(("reach",), "droid", "yam", MICRO))
    before = {path: path.stat().st_mtime_ns for path in work.folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert paper_findings.main() == 0  # once more: everything is there
    assert before == {path: path.stat().st_mtime_ns for path in before}
    trial = studies(work.world)[0].arms[0].trial
    more = work.rows(trial, 0, 2, ("seen",))  # more rollouts are added to those that are there
    assert len(more) == 3
    assert work.trial_folder(trial, 0).is_dir()
    assert not work.trial_folder(replace(trial, replan_frames=5), 0).exists()
    # A policy that is there is tried as it is: nothing is recorded or trained for it.
    policy = work.checkpoint_folder(trial.training, 0)
    chosen = ("steps", "--cells", "plain, 1", "--policy", str(policy))
    monkeypatch.setattr("sys.argv", command(*chosen, folder=tmp_path))
    assert paper_findings.main() == 0
    assert "differ in their scenes alone" in (tmp_path / "out" / "steps.md").read_text()
    of_policy = Work(work.top, work.world, policy=policy).folder
    assert {path.name for path in of_policy.iterdir()} == {"trials"}
