"""A dataset of one robot's windows."""

from small_runs import dataset, one_thread, spoiled

__all__ = ["dataset", "one_thread", "spoiled"]
