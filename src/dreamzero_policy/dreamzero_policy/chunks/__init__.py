"""Chunks as motion: accepted or refused, timed, joined (numpy, no ROS, the clock passed in)."""
