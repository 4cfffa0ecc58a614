"""Scripted experts: they read the simulated scene and do its task; they know no ROS."""
