"""What the middleware of the nodes needs to be told: how much memory images pass through.

Fast DDS, the middleware of ROS 2 Jazzy, gives every process half a megabyte of shared memory. An
image of 640x480 does not fit, and many are lost; ``config/dds/fastdds.xml`` gives it more.
"""

from __future__ import annotations

from collections.abc import Mapping

from dreamzero_bringup.installed import installed_config_dir

PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"
"""The environment variable that Fast DDS 2 reads; it ignores the one of Fast DDS 3."""

_CHOSEN = (PROFILES, "FASTDDS_DEFAULT_PROFILES_FILE", "FASTDDS_BUILTIN_TRANSPORTS")


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of nodes; nothing where ``env`` chooses transports itself."""
    if any(env.get(name) for name in _CHOSEN):
        return {}
    try:
        path = installed_config_dir() / "dds" / "fastdds.xml"
    except ValueError:  # not an installed workspace: the middleware's own settings
        return {}
    return {PROFILES: str(path)} if path.is_file() else {}
