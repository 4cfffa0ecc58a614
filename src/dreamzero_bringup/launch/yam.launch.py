"""Two YAM arms: ``ros2 launch dreamzero_bringup yam.launch.py sim:=true``."""

from dreamzero_bringup.launch_ros_adapter import describe


def generate_launch_description():
    """The graph of ``dreamzero up yam``, as launch_ros actions."""
    return describe("yam")
