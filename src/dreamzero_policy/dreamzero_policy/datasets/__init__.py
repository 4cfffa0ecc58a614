"""Datasets on disk: LeRobot v2.1 and v3 written and read, DROID's raw episodes read (no ROS)."""
