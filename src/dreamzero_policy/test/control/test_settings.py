"""Every number of the controller has bounds."""

from dataclasses import fields

import pytest

from dreamzero_policy.control.settings import ControllerSettings


@pytest.mark.parametrize("field", [f.name for f in fields(ControllerSettings)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), 1e9, "x", None])
def test_nonsense_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ControllerSettings(**{field: value})


def test_the_period_follows_from_the_rate():
    settings = ControllerSettings(rate_hz=50.0)
    assert settings.period_s == 0.02
    assert settings.period_ns == 20_000_000
