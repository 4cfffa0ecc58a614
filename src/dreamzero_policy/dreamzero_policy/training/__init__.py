"""Learning: the loss on windows of recorded motion."""
