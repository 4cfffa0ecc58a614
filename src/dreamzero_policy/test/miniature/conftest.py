"""A dataset of one robot's windows, and the log of a run."""

from small_runs import dataset, log_of, one_thread

__all__ = ["dataset", "log_of", "one_thread"]
