"""How the model is run, and fast: schedules, sampler, caches, sessions, engine (torch)."""
