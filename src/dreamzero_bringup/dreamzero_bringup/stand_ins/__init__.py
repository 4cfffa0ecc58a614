"""Small nodes that stand in for others and misbehave when they are told to, for the fault suite."""
