"""What stops a training run, by name."""

from __future__ import annotations


class TrainingError(ValueError):
    """Training cannot start or go on: the message names what, what was expected and what came."""
