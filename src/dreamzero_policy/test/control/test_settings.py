"""Every number of the controller has bounds."""

from dataclasses import fields

import pytest

from dreamzero_policy.control.settings import BOUNDS, CHOICES, ControllerSettings


@pytest.mark.parametrize("field", [f.name for f in fields(ControllerSettings)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), 1e9, "x", None])
def test_nonsense_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ControllerSettings(**{field: value})


@pytest.mark.parametrize("field", CHOICES)
def test_every_choice_can_be_made_and_no_other(field):
    for choice in CHOICES[field]:
        assert getattr(ControllerSettings(**{field: choice}), field) == choice
    with pytest.raises(ValueError, match=f"{field}: expected one of {CHOICES[field][0]}"):
        ControllerSettings(**{field: "something_else"})


def test_every_setting_has_bounds_or_choices():
    named = {field.name for field in fields(ControllerSettings)}
    assert named == set(BOUNDS) | set(CHOICES) | {"smoothing"}


def test_the_period_follows_from_the_rate():
    settings = ControllerSettings(rate_hz=50.0)
    assert settings.period_s == 0.02
    assert settings.period_ns == 20_000_000
