"""Recordings to datasets: bags resampled to the control grid, cut, written, reported (no ROS)."""
