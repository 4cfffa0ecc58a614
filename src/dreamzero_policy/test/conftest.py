"""Fixtures of every test: where the golden numbers are."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """The folder of golden numbers beside the project; where it is absent the test skips."""
    folder = Path(__file__).resolve().parents[3].parent / "shared" / "golden"
    if not (folder / "README.md").is_file():
        pytest.skip(f"no golden numbers at {folder}")
    return folder
