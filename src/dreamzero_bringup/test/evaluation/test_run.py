"""An evaluation in virtual time: rows, films and a page; interrupted, resumed, added to."""

import json
import re
from dataclasses import replace

import pytest

pytest.importorskip("mujoco")

from dreamzero_bringup.evaluation import rollouts as rollouts_module
from dreamzero_bringup.evaluation import run as run_module
from dreamzero_bringup.evaluation.page import PAGE, SUMMARY
from dreamzero_bringup.evaluation.plan import ROWS, Row, Wanted, tries
from dreamzero_bringup.evaluation.run import evaluate
from dreamzero_bringup.evaluation.specs import parse
from dreamzero_bringup.evaluation.table import ALL, cells
from dreamzero_policy.cli import main as cli
from sim_driver.cameras import RenderingUnavailableError

WANTED = Wanted(
    "droid", ("push",), ("seen",), 2, time_limit_s=2.0, picture_width=80, replan_frames=8
)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Folder and figures of a whole evaluation of hold, of short attempts."""
    folder = tmp_path_factory.mktemp("evaluation") / "out"
    try:
        found, page = evaluate(WANTED, [parse("hold")], folder, films=1, workers=2)
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    return folder, found, page


def test_rows_page_and_films(evaluated):
    folder, (cell,), page = evaluated
    assert (cell.policy, cell.split, cell.task) == ("hold", "seen", "push")
    assert (cell.success.successes, cell.success.of) == (0, 2)
    assert cell.progress.value < 0.05
    rows = [Row(**json.loads(line)) for line in (folder / ROWS).read_text().splitlines()]
    rows.sort(key=lambda row: row.seed)  # two processes: whichever was ready first
    assert [row.seed for row in rows] == [one.seed for one in tries(WANTED, ["hold"])]
    assert all(row.seconds == pytest.approx(2.0, abs=0.1) for row in rows)
    assert rows[0].instruction.startswith("push the")
    assert (folder / rows[0].film).stat().st_size > 1000
    assert rows[1].film == ""  # one film was asked for
    text = page.read_text()
    links = re.findall(r'src="([^"]+)"', text)
    assert links
    for link in links:  # the folder may be moved
        assert not link.startswith(("/", "http", "file:"))
        assert (folder / link).is_file()
    assert "0 of 2" in text
    summary = json.loads((folder / SUMMARY).read_text())
    assert summary["cells"][0]["success_wilson_95"][1] == pytest.approx(0.6576, abs=1e-3)
    assert summary["missing_rollouts"] == 0


def test_it_goes_on_where_it_was(evaluated, tmp_path, monkeypatch):
    folder, _, _ = evaluated
    rows = sorted(
        (folder / ROWS).read_text().splitlines(), key=lambda line: json.loads(line)["seed"]
    )
    made = []
    real = rollouts_module.attempt

    def counted(job):
        made.append(job.one)
        if len(made) == 1:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(run_module, "attempt", counted)
    evaluate(WANTED, [parse("hold")], folder)
    assert made == []  # everything was there
    # A row was being written when the machine went down.
    (folder / ROWS).write_text(rows[0] + "\n" + rows[1][:40])
    with pytest.raises(KeyboardInterrupt):
        evaluate(WANTED, [parse("hold")], folder)
    assert "1 rollouts are still to come" in (folder / PAGE).read_text()
    evaluate(WANTED, [parse("hold")], folder)
    assert len(made) == 2
    assert made[0] == made[1] == tries(WANTED, ["hold"])[1]
    again = [json.loads(line) for line in (folder / ROWS).read_text().splitlines()]
    for line, before in zip(again, map(json.loads, rows), strict=True):
        for told in (line, before):
            told["figures"].pop("call_s")
            told.pop("film")
        assert line == before  # an attempt is the same every time


def test_another_evaluation_is_not_mixed_in(evaluated, tmp_path):
    folder, _, _ = evaluated
    other = Wanted(**{**WANTED.__dict__, "latency_s": 0.5})
    with pytest.raises(ValueError, match=r"latency_s 0\.2, now 0\.5: take another folder"):
        evaluate(other, [parse("hold")], folder)
    other = replace(WANTED, controller={"seam": "temporal_ensemble"})
    assert other.controller_settings.seam == "temporal_ensemble"
    with pytest.raises(ValueError, match=r"controller \{\}, now \{'seam': 'temporal_ensemble'\}"):
        evaluate(other, [parse("hold")], folder)
    with pytest.raises(ValueError, match="holds another policy 'hold'"):
        evaluate(WANTED, [parse("hold=expert")], folder)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new folder or one of an evaluation"):
        evaluate(WANTED, [parse("hold")], tmp_path)
    with pytest.raises(ValueError, match="each label once"):
        evaluate(WANTED, [parse("hold"), parse("hold")], tmp_path / "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "/no/such/ckpt", "--tasks", "push"], "there is no such folder"),
        (["--policy", "random:huge", "--tasks", "push"], "no preset 'huge'"),
        (["--policy", "hold", "--tasks", "fold"], "no task 'fold' for droid"),
        (["--policy", "hold", "--tasks", "push", "--splits", "taught"], "splits: expected of seen"),
        (["--policy", "hold", "--tasks", "push", "--rollouts", "0"], "rollouts: expected 1"),
        (["--policy", "hold"], "expected --tasks for closed loop, or --dataset"),
        (["--policy", "hold", "--dataset", "/no/such"], "expected a LeRobot dataset"),
        (["--policy", "replay:/no/such", "--tasks", "push"], "expected a folder of recordings"),
        (["--policy", "a/b=", "--tasks", "push"], "there is no such folder"),
        (["--policy", "hold", "--tasks", "push", "--engine", "speed=9"], "expected NAME=VALUE"),
        (
            ["--policy", "hold", "--tasks", "push", "--engine", "seed=x"],
            "expected a value of type int",
        ),
        (["--policy", "hold", "--tasks", "push", "--through", "air"], "expected virtual or nodes"),
        (["--policy", "hold", "--tasks", "push", "--controller", "seam=glue"], "expected one of"),
        (["--policy", "hold", "--tasks", "push", "--controller", "x=1"], "--controller: 'x=1'"),
    ],
)
def test_bad_input_is_named(arguments, message, tmp_path, capsys):
    code = cli.main(["evaluate", "droid", "--out", str(tmp_path / "out"), *arguments])
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_row_is_named(evaluated, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    source = evaluated[0]
    (folder / "evaluation.json").write_text((source / "evaluation.json").read_text())
    (folder / ROWS).write_text('{"policy": 1}\n')
    with pytest.raises(ValueError, match=r"rollouts\.jsonl, line 1: expected a rollout"):
        evaluate(WANTED, [parse("hold")], folder)


def row(policy, split, task, success, progress, seconds=5.0):
    return Row(policy, split, task, 1, 0, "do it", success, progress, seconds, 40.0)


def test_cells_by_policy_split_and_task():
    rows = [
        row("a", "seen", "push", True, 1.0, 4.0),
        row("a", "seen", "push", False, 0.5),
        row("a", "seen", "stack", True, 1.0, 6.0),
        row("a", "unseen", "push", False, 0.0),
        row("b", "seen", "push", False, 0.25),
    ]
    found = {(cell.policy, cell.split, cell.task): cell for cell in cells(rows)}
    assert list(found) == [
        ("a", "seen", "push"),
        ("a", "seen", "stack"),
        ("a", "seen", ALL),
        ("a", "unseen", "push"),
        ("b", "seen", "push"),
    ]
    whole = found["a", "seen", ALL]
    assert (whole.success.successes, whole.success.of) == (2, 3)
    assert whole.progress.value == pytest.approx(2.5 / 3)
    assert whole.seconds.value == 5.0
    assert found["b", "seen", "push"].seconds is None


def test_another_checkpoint_in_the_same_folder_is_another_policy(tmp_path):
    (tmp_path / "weights").write_bytes(b"one")
    spec = parse(f"mine={tmp_path}")
    before = spec.identity
    assert spec.identity == before
    (tmp_path / "weights").write_bytes(b"other")
    assert spec.identity != before
    assert parse(f"mine={tmp_path}", {"evaluations": 1}).identity != spec.identity
    assert parse("hold").identity == "hold"


def test_labels():
    assert parse("hold").label == "hold"
    assert parse("random:tiny").label == "random_tiny"
    assert parse("base=random:tiny").label == "base"
    assert parse("ws://box:8000").kind == "remote"
    assert parse("old=replay:demos").kind == "replay"
    with pytest.raises(ValueError, match="policy label"):
        parse("my policy=hold")
