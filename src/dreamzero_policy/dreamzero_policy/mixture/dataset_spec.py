"""One dataset of a mixture, as a person names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dreamzero_policy.runs.errors import TrainingError

_FORM = "PATH[,robot=NAME][,weight=NUMBER][,video-only]"


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset and its part in a mixture.

    Attributes:
        path: folder of a LeRobot dataset.
        robot: whose it is; empty: as the dataset says.
        weight: how often its windows are drawn, over those of a dataset of weight 1 with as many
            windows.
        actions: whether its actions train; without, its video alone does, and joints are not read.
    """

    path: Path
    robot: str = ""
    weight: float = 1.0
    actions: bool = True

    def __post_init__(self) -> None:
        """Refuses a weight that draws nothing."""
        if not 0 < self.weight < float("inf"):
            raise TrainingError(f"{self.path}: weight: expected above 0, got {self.weight}")

    @classmethod
    def parse(cls, text: str) -> DatasetSpec:
        """A dataset as the command line names it.

        Raises:
            TrainingError: another form.
        """
        path, *settings = text.split(",")
        found: dict[str, object] = {}
        for setting in settings:
            name, _, value = setting.partition("=")
            try:
                if setting == "video-only":
                    found["actions"] = False
                elif name == "robot" and value:
                    found["robot"] = value
                elif name == "weight":
                    found["weight"] = float(value)
                else:
                    raise ValueError
            except ValueError:
                raise TrainingError(
                    f"dataset {text!r}: expected {_FORM}, got {setting!r}"
                ) from None
        if not path:
            raise TrainingError(f"dataset {text!r}: expected {_FORM}")
        return cls(Path(path).expanduser(), **found)
