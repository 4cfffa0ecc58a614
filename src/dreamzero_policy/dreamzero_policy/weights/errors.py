"""The one error of everything that reads checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint cannot be used: the message names the file or tensor, expected and got."""
