"""A human's hands: keyboard, gamepad or leader arm as targets on ``teleop/joint_commands``.

The controller follows them through the same limits as the policy's chunks. Everything but
``loop.py`` is without ROS.
"""
