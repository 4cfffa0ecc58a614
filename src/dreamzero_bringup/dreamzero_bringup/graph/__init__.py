"""Which nodes run and what they are told, stated once as data."""
