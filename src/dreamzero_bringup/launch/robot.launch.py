"""Any robot: ``ros2 launch dreamzero_bringup robot.launch.py robot:=NAME config_dir:=DIR``."""

from dreamzero_bringup.launch_ros_adapter import describe


def generate_launch_description():
    """The graph of ``dreamzero up NAME --config-dir DIR``, as launch_ros actions."""
    return describe()
