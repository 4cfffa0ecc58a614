"""What is so: of this machine, of the files of a robot, of a running graph. Nobody judges here."""
