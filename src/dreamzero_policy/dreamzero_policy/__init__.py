"""DreamZero for ROS 2: a world-action model that closes the loop on a real robot."""
