"""Franka FER and FR3 with a gripper: a driver for this stack.

``hardware`` joins an arm and a gripper to one robot and keeps the rules; ``franky_arm`` and
``franky_hand`` speak to the robot directly, ``ros2_control_arm`` and ``ros_grippers`` through
somebody else's ros2_control; ``driver_node`` is the node.
"""
