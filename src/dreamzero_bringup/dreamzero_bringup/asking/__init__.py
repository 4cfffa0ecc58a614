"""What a walk asks of whoever stands at the robot, and the words in which it tells what to do."""
