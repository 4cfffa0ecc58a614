"""What each node says of itself: its status message, and its health."""
