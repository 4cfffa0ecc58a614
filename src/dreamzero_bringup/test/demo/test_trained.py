"""What the demo runs where nobody chose."""

import pytest

from dreamzero_bringup.demo import trained
from dreamzero_bringup.demo.trained import chosen


@pytest.fixture(params=["has", "has not"])
def there(request, monkeypatch, tmp_path):
    found = tmp_path if request.param == "has" else None
    monkeypatch.setattr(trained, "trained_checkpoint", lambda robot: found)
    return found


def test_the_trained_policy_at_its_task_where_the_robot_has_one(there):
    checkpoint, overrides = chosen("droid", None, ("sim_driver.seed=3",))
    if there is None:
        assert (checkpoint, overrides) == (None, ("sim_driver.seed=3",))
    else:
        assert checkpoint == str(there)
        assert "sim_driver.task=reach" in overrides
        assert overrides[-1] == "sim_driver.seed=3"


def test_what_the_user_says_is_stronger(there):
    assert chosen("droid", "random:tiny", ()) == ("random:tiny", ())
    _, overrides = chosen("droid", None, ("sim_driver.task=push",))
    assert [one for one in overrides if "task" in one] == ["sim_driver.task=push"]
