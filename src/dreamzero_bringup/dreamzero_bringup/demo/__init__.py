"""The demo: a closed loop in simulation, watched, judged and drawn."""
