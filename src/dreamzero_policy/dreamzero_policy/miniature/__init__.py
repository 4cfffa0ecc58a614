"""The frozen encoders of a small model: set by hand where they can be, the VAE trained (torch)."""
