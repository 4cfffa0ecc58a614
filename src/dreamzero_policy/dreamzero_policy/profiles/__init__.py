"""How motion comes to rest or gets somewhere in least time within limits (numpy, no ROS)."""
