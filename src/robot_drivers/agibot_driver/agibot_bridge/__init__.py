"""Runs beside the AgiBot G1's SDK (Python 3.10, no ROS) and lends the robot to one driver."""
