"""An AgiBot G1: ``ros2 launch dreamzero_bringup agibot_g1.launch.py sim:=true``."""

from dreamzero_bringup.launch_ros_adapter import describe


def generate_launch_description():
    """The graph of ``dreamzero up agibot_g1``, as launch_ros actions."""
    return describe("agibot_g1")
