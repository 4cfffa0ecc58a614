"""Message types by name: the class that rclpy wants, and the text that a recording keeps."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory


def message_class(msgtype: str) -> type:
    """The class of a type such as ``sensor_msgs/msg/Image``.

    Raises:
        ValueError: it is not installed.
    """
    package, _, name = msgtype.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"message type {msgtype}: expected it to be installed: {error}") from error


def message_text(msgtype: str) -> str:
    """The ``.msg`` file of a type.

    Raises:
        ValueError: it is not installed.
    """
    package, _, name = msgtype.split("/")
    try:
        return (Path(get_package_share_directory(package)) / "msg" / f"{name}.msg").read_text()
    except (PackageNotFoundError, OSError) as error:
        raise ValueError(f"message type {msgtype}: expected its .msg file: {error}") from error
