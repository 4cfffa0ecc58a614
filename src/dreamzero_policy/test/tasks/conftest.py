import pytest

from dreamzero_policy.tasks import catalogue
from dreamzero_policy.tasks.store import open_store

DAY = "2026-03-02"


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "tasks.db", create=True, station="one") as opened:
        yield opened


@pytest.fixture
def kitchen(store):
    """Six tasks of a kitchen."""
    return [
        catalogue.add_task(store, "Kitchen", f"Do thing {n}", n, seconds=60 + 15 * n)[0]
        for n in range(1, 7)
    ]
