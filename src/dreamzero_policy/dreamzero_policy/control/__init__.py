"""Chunk to command (numpy, no torch, no ROS, the clock passed in)."""
