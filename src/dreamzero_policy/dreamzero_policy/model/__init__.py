"""What a checkpoint computes: the causal DiT, its encoders and its weights (torch)."""
