"""How one block is sampled: noise levels, solver, caches, the forwards of the network (torch)."""
