"""What an installation may set of each node, with the bounds or choices of everything."""
