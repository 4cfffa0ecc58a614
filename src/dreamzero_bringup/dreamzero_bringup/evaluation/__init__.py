"""How well policies do tasks in simulation: rollouts, their rows, a page."""
