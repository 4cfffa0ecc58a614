"""A gamepad through Linux's joystick device, where no ``joy`` node runs."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

from dreamzero_bringup.teleop.asked import Asked
from dreamzero_bringup.teleop.gamepad import Gamepad

_EVENT = struct.Struct("<IhBB")  # linux/joystick.h: time, value, type, number
_BUTTON, _AXIS, _INITIAL = 0x01, 0x02, 0x80
_FULL = 32767.0


class Joystick:
    """The pad at ``/dev/input/js*``; its directions are turned to those of ``joy``.

    Args:
        path: of the device.

    Raises:
        ValueError: it is not there or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pad = Gamepad()
        self._axes, self._buttons = [0.0] * 8, [0] * 11
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise ValueError(
                f"gamepad {path}: {error.strerror}; plug one in, name another with --device, or "
                "run ROS's joy node and use --device joy"
            ) from error

    def asked(self, now_ns: int) -> Asked:
        """What is held now.

        Raises:
            ValueError: the pad was unplugged.
        """
        try:
            while data := os.read(self._file, _EVENT.size * 64):
                for event in _EVENT.iter_unpack(data):
                    self._take(*event)
                    self._pad.take(self._axes, self._buttons, now_ns)  # a short press is one too
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EINTR:
                raise ValueError(f"gamepad {self.path} was lost: {error.strerror}") from error
        self._pad.take(self._axes, self._buttons, now_ns)
        return self._pad.asked(now_ns)

    def close(self) -> None:
        """Lets go of the device."""
        os.close(self._file)

    def _take(self, _: int, value: int, kind: int, number: int) -> None:
        if kind & ~_INITIAL == _AXIS and number < len(self._axes):
            self._axes[number] = -value / _FULL
        elif kind & ~_INITIAL == _BUTTON and number < len(self._buttons):
            self._buttons[number] = value
