"""Learning: the loss on windows of recorded motion, the loop, the checkpoint it ends in (torch)."""
