"""Recordings: episodes as bags, written, mended, kept and read without a ROS installation."""
