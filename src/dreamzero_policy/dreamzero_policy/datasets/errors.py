"""What can be wrong with a dataset, by name."""

from __future__ import annotations


class DatasetError(ValueError):
    """A dataset that cannot be used as it is."""


class NotADatasetError(DatasetError):
    """A folder that is no dataset of a kind that is known."""


class ForeignFolderError(DatasetError):
    """An output folder that holds something else, which is not touched."""


class DatasetMismatchError(DatasetError):
    """A dataset that does not bring what the robot needs."""


class DiskFullError(DatasetError):
    """No space is left for a dataset in the making."""
