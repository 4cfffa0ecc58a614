"""Motion to command: who leads, the gate, watchdogs (numpy, no ROS, the clock passed in)."""
