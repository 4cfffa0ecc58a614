"""Tensors on disk, read and written one at a time, and random ones."""
