"""The benchmarks of the model run on a bare machine, end to end, and go on where they stopped."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TOP = Path(__file__).resolve().parents[4]
BENCHMARKS = TOP / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="not in the source tree")

BARE = {"numpy", "torch", "transformers", "safetensors", "tqdm"}
"""What a bare GPU machine has."""

BLOCKER = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is not here", name=name)

sys.meta_path.insert(0, Blocker())
sys.path[:0] = {folders!r}
sys.argv = {argv!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
MISSING = ("rclpy", "dreamzero_msgs", "std_msgs", "diffusers", "matplotlib", "rich", "psutil")
MISSING += ("yaml", "cv2", "PIL", "pydantic", "mujoco", "rosbags", "mcap", "ament_index_python")


def bare(script: str, *arguments: str, blocked: tuple[str, ...] = MISSING):
    """A benchmark where nothing but torch is installed."""
    packages = [str(TOP / "src" / name) for name in ("dreamzero_policy", "dreamzero_bringup")]
    code = BLOCKER.format(
        blocked=set(blocked),
        folders=[str(BENCHMARKS), *packages],
        argv=[str(BENCHMARKS / f"{script}.py"), *arguments],
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=110, cwd=TOP
    )


def few(folder: Path, rows: str) -> list[str]:
    return [
        *("--preset", "tiny", "--device", "cpu", "--layers", "1", "--row-seconds", "0.01"),
        *("--out", str(folder), "--rows", rows),
    ]


@pytest.mark.slow
@pytest.mark.long
def test_the_ladder_without_anything_but_torch(tmp_path):
    done = bare("ladder", *few(tmp_path, "^(published|exact savings, eager|Flash|4 of 16|one fo)"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no picture: matplotlib is not installed" in done.stdout
    (path,) = tmp_path.glob("ladder_tiny_*.json")
    result = json.loads(path.read_text())
    rows = {row["row"]: row for row in result["rows"]}
    exact, published = (
        rows["exact savings, eager"],
        rows["published forward, 16 evaluations, guidance"],
    )
    for row in (exact, published, rows["4 of 16"], rows["Flash shape, one step"]):
        assert row["state"] == "measured", row
        assert row["floor_ms"] > 0
        assert row["ms"]["n"] >= 2
        assert [part["row"].split(",")[0] for part in row["parts"]] == [
            f"context {n}" for n in (1, 3, 5, 7)
        ]
        assert row["timed"] == "latents to actions"  # without diffusers no canvas is encoded
    assert exact["error"]["relative"] < 1e-5
    assert published["error"]["relative"] < 1e-5
    assert rows["4 of 16"]["error"]["relative"] > 1e-5
    assert rows["4 of 16, FP8"]["state"] == "not run"
    assert rows["4 of 16, FP8"]["why"]
    assert {"machine", "versions", "commit", "setup"} <= set(result)
    assert result["setup"]["weights"] == "random: untrained"
    assert (path.with_suffix(".md")).read_text().count("context 7") >= 4


@pytest.mark.long
def test_a_row_that_was_measured_is_kept(tmp_path):
    arguments = few(tmp_path, "^4 of 16$")
    assert bare("ladder", *arguments).returncode == 0
    (path,) = tmp_path.glob("*.json")

    def row():
        rows = json.loads(path.read_text())["rows"]
        return next(row for row in rows if row["row"] == "4 of 16")

    first = row()
    again = bare("ladder", *arguments)
    assert again.returncode == 0, again.stderr
    assert "4 of 16 ..." not in again.stdout
    assert row() == first
    assert bare("ladder", *arguments, "--again").returncode == 0
    assert row()["at"] != first["at"]


def test_no_time_is_said_and_not_kept(tmp_path):
    done = bare("ladder", *few(tmp_path, "^4 of 16$"), "--seconds", "-1")
    assert done.returncode == 0, done.stderr
    assert "4 of 16 | approximate |  |  | not run: no time was left" in done.stdout


@pytest.mark.parametrize("script", ["ladder", "scaling", "cpu_ratio"])
def test_help_has_examples(script):
    done = bare(script, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python benchmarks/{script}.py --" in done.stdout


@pytest.mark.slow
def test_scaling_without_anything_but_torch(tmp_path):
    arguments = ("--rows", "^context: [13]$", "--layers", "1", "--row-seconds", "0.01")
    done = bare("scaling", *arguments, "--out", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "scaling.json").read_text())["rows"]
    assert sum(row["state"] == "measured" for row in rows) == 2
    assert "14B, not measured" in done.stdout


def test_both_forwards_agree_and_a_wrong_one_is_refused():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import cpu_ratio
    finally:
        sys.path.remove(str(BENCHMARKS))
    right = lambda: (torch.ones(3),)  # noqa: E731
    assert cpu_ratio.compare(right, right, 0.0)["ratio"] > 0
    with pytest.raises(RuntimeError, match="expected the same"):
        cpu_ratio.compare(right, lambda: (torch.ones(3) * 1.01,), 0.0)


def test_the_literal_forward_shares_no_code_with_ours():
    tree = ast.parse((BENCHMARKS / "literal.py").read_text())
    names = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    ours = {name for name in names if name.startswith("dreamzero_policy")}
    assert ours == {"dreamzero_policy.model.block.Block", "dreamzero_policy.model.dit.CausalDiT"}
