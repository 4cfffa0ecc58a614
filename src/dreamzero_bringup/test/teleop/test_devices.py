"""Keyboard and gamepad: held is held, let go is let go, and no device is no motion."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.gamepad import STALE_S, Gamepad
from dreamzero_bringup.teleop.joystick import Joystick
from dreamzero_bringup.teleop.keyboard import _DIRECTIONS, _WORDS, HELD_S, MAP, Keyboard

S = 10**9


def test_a_key_is_held_for_a_moment_after_its_last_character():
    keys = Keyboard()
    keys.take(" w", 0)
    assert keys.asked(0) == Asked(linear=(1.0, 0.0, 0.0), engaged=True)
    keys.take("W", round(0.1 * S))
    assert keys.asked(round(0.2 * S)).linear == (1.0, 0.0, 0.0)
    assert not keys.asked(round((0.1 + HELD_S) * S) + 1).moves
    keys.take("wsad", S)
    assert not keys.asked(S).moves  # opposites cancel


def test_space_takes_over_and_hands_back():
    keys = Keyboard()
    assert not keys.asked(0).engaged
    for engaged in (True, False, True):
        keys.take(" ", 0)
        assert keys.asked(0).engaged is engaged
    keys.take("q", 0)
    assert keys.asked(0) == Asked(words=("quit",))
    assert keys.asked(0).words == ()


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, S)), max_size=20))
def test_any_typing_is_understood_or_ignored(typed):
    keys, now = Keyboard(), 0
    for text, after in typed:
        now += after
        keys.take(text, now)
        asked = keys.asked(now)
        assert all(-1.0 <= v <= 1.0 for v in (*asked.linear, *asked.angular, asked.gripper))


def test_the_printed_map_names_every_key():
    names = set(MAP.replace("TAB", "\t").replace("SPACE", " ").split(" "))
    words = {key for key in _WORDS if key.isprintable() and key != "="}
    assert (set(_DIRECTIONS) | words) <= {name.strip() for name in names}


def pad(axes=(), buttons=()):
    values, downs = [0.0] * 8, [0] * 11
    for at, value in axes:
        values[at] = value
    for at in buttons:
        downs[at] = 1
    return values, downs


def test_only_the_dead_mans_button_leads():
    device = Gamepad()
    assert device.asked(0) == Asked()
    device.take(*pad(axes=[(1, 1.0), (4, -1.0)]), 0)
    assert device.asked(0) == Asked()
    device.take(*pad(axes=[(1, 1.0), (4, -1.0)], buttons=[4, 0]), 0)
    assert device.asked(0) == Asked(linear=(1.0, 0.0, -1.0), gripper=1.0, engaged=True)
    device.take(*pad(axes=[(3, 0.05)], buttons=[4]), 0)
    assert device.asked(0) == Asked(engaged=True)  # the dead zone
    silent = round(STALE_S * S) + 1
    assert device.asked(silent) == Asked()  # the pad is silent
    device.take(*pad(buttons=[4]), silent)
    assert device.asked(silent) == Asked()  # back, but LB was not let go


def test_a_button_that_is_down_from_the_start_leads_nobody():
    device = Gamepad()
    for buttons, engaged in (([4], False), ([], False), ([4], True)):
        device.take(*pad(buttons=buttons), 0)
        assert device.asked(0).engaged is engaged


def test_presses_are_given_once_and_not_for_what_was_down_at_the_start():
    device = Gamepad()
    device.take(*pad(buttons=[2, 4]), 0)
    assert device.asked(0).words == ()
    device.take(*pad(buttons=[4]), 0)
    device.take(*pad(buttons=[2, 4]), 0)
    device.take(*pad(axes=[(6, -1.0)], buttons=[2, 4]), 0)
    assert device.asked(0).words == ("other arm", "faster")
    assert device.asked(0).words == ()


@pytest.mark.parametrize(
    ("axes", "buttons", "says"),
    [([0.0] * 6, [0] * 11, "expected 8 axes"), ([float("nan")] * 8, [0] * 11, "not finite")],
)
def test_a_strange_pad_is_lost(axes, buttons, says):
    device = Gamepad()
    device.take(*pad(buttons=[4]), 0)
    with pytest.raises(ValueError, match=says):
        device.take(axes, buttons, 0)
    assert not device.asked(0).engaged


def test_linuxs_joystick_device(tmp_path):
    pipe = tmp_path / "js0"
    os.mkfifo(pipe)
    joystick = Joystick(pipe)
    with pipe.open("wb", buffering=0) as events:
        for value, kind, number in ((0, 0x82, 1), (0, 0x81, 4), (1, 1, 4), (-32767, 2, 1)):
            events.write(struct.pack("<IhBB", 0, value, kind, number))
        asked = joystick.asked(5)
        assert asked == Asked(linear=(1.0, 0.0, 0.0), engaged=True)
        assert joystick.asked(10 * S).engaged  # it speaks only when something changes
    joystick.close()
    with pytest.raises(ValueError, match="--device joy"):
        Joystick(tmp_path / "js1")
