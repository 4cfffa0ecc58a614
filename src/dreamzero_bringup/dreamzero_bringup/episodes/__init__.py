"""A recorded episode before a policy, and its commands on the simulated robot."""
