"""The least time that the work can take: operations and bytes from sizes alone."""
