"""The AgiBot G1 behind the topics of every driver; the robot is at the far end of a socket."""
