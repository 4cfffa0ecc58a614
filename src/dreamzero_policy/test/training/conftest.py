"""Runs of a small model that trains in seconds."""

from small_runs import cache, dataset, log_of, one_thread, run_of, spoiled

__all__ = ["cache", "dataset", "log_of", "one_thread", "run_of", "spoiled"]
