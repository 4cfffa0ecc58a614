"""The recorder beside a graph: ``ros2 launch dreamzero_bringup record.launch.py robot:=droid``.

`ros2 action send_goal /record_episode` begins an episode and the service `/recorder/end` ends it;
`dreamzero record` does the same at a console.
"""

from dreamzero_bringup.launch_ros_adapter import describe_recorder


def generate_launch_description():
    """The recorder of one robot, as a launch_ros action."""
    return describe_recorder()
