"""What a run stands on: processes, what it begins from, its folder, states and figures (torch)."""
