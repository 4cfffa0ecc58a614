"""A Franka in the DROID set-up: ``ros2 launch dreamzero_bringup droid.launch.py sim:=true``."""

from dreamzero_bringup.launch_ros_adapter import describe


def generate_launch_description():
    """The graph of ``dreamzero up droid``, as launch_ros actions."""
    return describe("droid")
