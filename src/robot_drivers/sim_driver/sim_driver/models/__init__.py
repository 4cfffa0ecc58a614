"""The simulated robots: their bodies, motors and cameras as MuJoCo models."""
