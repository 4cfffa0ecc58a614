"""What is done to a finished network so that it is fast or small, and whether it fits (torch)."""
