"""Which nodes run, stated once as data, and the two ways to start them."""
