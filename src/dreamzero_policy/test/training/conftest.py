"""A dataset of two robots' worth of windows, and a model that trains on it in seconds."""

import json
import shutil

import pytest
import torch

from dreamzero_policy.conversion.job import convert
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.conversion.synthetic import write_recording
from dreamzero_policy.training.config import TINY
from dreamzero_policy.training.dataset_spec import DatasetSpec
from dreamzero_policy.training.train import Run

SMALL = (
    *("dim=24", "ffn_dim=32", "num_heads=2", "num_layers=2", "hidden_size=16", "freq_dim=32"),
    *("vae.base_dim=4", "vae.decoder_base_dim=4", "text.num_layers=1", "image.num_layers=2"),
)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """The same sums in this process and in those that tests start."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory, droid):
    """Three episodes of DROID's layout, of about 4, 4 and 2.4 s."""
    root = tmp_path_factory.mktemp("training")
    fast = {"camera_hz": 15.0, "joint_hz": 30.0, "command_hz": 30.0}
    for number, seconds in enumerate((4.0, 4.0, 2.4)):
        said = ((0.0, ("open the drawer", "close it")[number % 2]),)
        write_recording(
            root / "bags" / f"e{number}", droid, seconds=seconds, instructions=said, **fast
        )
    convert([root / "bags"], root / "data", ConversionSettings("droid", least_chunks=1.0))
    return root / "data"


@pytest.fixture
def spoiled(dataset, tmp_path):
    """A copy that a test may change."""
    folder = tmp_path / "spoiled"
    shutil.copytree(dataset, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder of encoded windows that tests share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run_of(dataset, cache, tmp_path):
    """Makes a run of the small model."""

    def make(folder="run", data=None, specs=None, **settings):
        config = TINY.changed(
            [
                f"{name}={value}"
                for name, value in {
                    **{"steps": 20, "batch": 4, "base_stride": 6, "held_out": 0.0, "chunks": 1},
                    **{"save_every": 10, "log_every": 1, "validate_every": 0, "panels_every": 0},
                    **{"smoke_steps": 0, "learning_rate": 0.003, **settings},
                }.items()
            ]
        )
        specs = specs or (DatasetSpec(data or dataset),)
        return Run(tmp_path / folder, config, specs, model_changes=SMALL, cache=cache)

    return make


@pytest.fixture
def log_of():
    """The lines of a run's log."""

    def read(run):
        return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]

    return read
