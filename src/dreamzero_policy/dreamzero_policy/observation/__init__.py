"""Sensors to model input (numpy, no torch, no ROS)."""
