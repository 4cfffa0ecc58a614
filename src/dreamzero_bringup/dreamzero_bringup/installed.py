"""Where this stack's packages and their files are installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def installed_config_dir() -> Path:
    """The folder of parameter files that came with this package.

    Raises:
        ValueError: the package is not installed where ROS looks for packages.
    """
    return package_prefix("dreamzero_bringup") / "share" / "dreamzero_bringup" / "config"


def trained_checkpoint(robot: str) -> Path | None:
    """The small trained policy of a robot that came with this package; None where there is none.

    Raises:
        ValueError: as ``installed_config_dir``.
    """
    found = installed_config_dir() / "checkpoints" / f"tiny_{robot}"
    return found if (found / "model.safetensors").is_file() else None


def package_prefix(package: str) -> Path:
    """Where a ROS package is installed; where nothing was sourced, in this interpreter's prefix.

    Raises:
        ValueError: it is not installed.
    """
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    if not os.environ.get("AMENT_PREFIX_PATH"):
        os.environ["AMENT_PREFIX_PATH"] = sys.prefix
    try:
        return Path(get_package_prefix(package))
    except PackageNotFoundError as error:
        raise ValueError(
            f"ROS package {package!r} is not installed under {os.environ['AMENT_PREFIX_PATH']}: "
            "run scripts/setup.sh, or source the workspace that it was built in"
        ) from error
