"""Reads LeRobot datasets, v2.x and v3: episodes, rows, pictures, instructions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dreamzero_policy.datasets.errors import DatasetError, NotADatasetError
from dreamzero_policy.datasets.files import read_json, read_lines
from dreamzero_policy.datasets.video import frames
from dreamzero_policy.types import Image


@dataclass(frozen=True)
class EpisodeEntry:
    """An episode as the dataset lists it.

    Attributes:
        index: its number.
        length: rows.
        tasks: instructions.
        where: v3: files and times, by the columns of ``meta/episodes``.
    """

    index: int
    length: int
    tasks: tuple[str, ...]
    where: Mapping[str, Any]


class LeRobotDataset:
    """A dataset in a folder.

    Attributes:
        folder: of the dataset.
        info: ``info.json``.
        version: 2 or 3.
        fps: rows per second.
        features: by column.
        video_keys: columns that are videos.
        modality: ``modality.json``; None where there is none.
        episodes: in order.
        tasks: instruction by index.
    """

    def __init__(self, folder: Path | str) -> None:
        """Reads the lists.

        Raises:
            NotADatasetError: no LeRobot dataset, or one of another version.
            DatasetError: a list is damaged.
        """
        self.folder = Path(folder).expanduser()
        path = self.folder / "meta" / "info.json"
        try:
            self.info = read_json(path)
            text = str(self.info["codebase_version"])
            self.version = int(text.lstrip("v").split(".")[0])
            self.fps = float(self.info["fps"])
            self.features: dict[str, dict] = self.info["features"]
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise NotADatasetError(f"{path}: expected a LeRobot dataset, got: {error!r}") from error
        if self.version not in (2, 3):
            raise NotADatasetError(f"{path}: expected LeRobot v2.x or v3, got {text!r}")
        self.video_keys = tuple(
            name for name, feature in self.features.items() if feature.get("dtype") == "video"
        )
        gear = self.folder / "meta" / "modality.json"
        self.modality: dict[str, Any] | None = read_json(gear) if gear.is_file() else None
        try:
            read = self._read_v2 if self.version == 2 else self._read_v3
            self.episodes, self.tasks = read()
        except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
            raise DatasetError(
                f"{self.folder / 'meta'}: cannot read its lists: {error!r}"
            ) from error
        self._entries = {entry.index: entry for entry in self.episodes}

    def episode(self, index: int) -> EpisodeEntry:
        """The entry of an episode.

        Raises:
            DatasetError: there is none of that number.
        """
        if index in self._entries:
            return self._entries[index]
        raise DatasetError(
            f"{self.folder}: expected an episode of 0 to {len(self.episodes) - 1}, got {index}"
        )

    def table(self, index: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of an episode.

        Raises:
            DatasetError: its file is not there, damaged, or has another number of rows.
        """
        entry = self.episode(index)
        path = self.folder / self.info["data_path"].format(**self._names(entry, "data"))
        try:
            if self.version == 2:
                table = pq.read_table(path, columns=columns)
            else:
                wanted = None if columns is None else list({*columns, "episode_index"})
                table = pq.read_table(path, columns=wanted, filters=[("episode_index", "=", index)])
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{path}: cannot read episode {index}: {error}") from error
        if table.num_rows != entry.length:
            raise DatasetError(
                f"{path}: expected {entry.length} rows of episode {index}, got {table.num_rows}"
            )
        return table

    def video(self, index: int, key: str) -> tuple[Path, float]:
        """File of an episode's video, and the time in it at which the episode begins [s].

        Raises:
            DatasetError: the dataset has no such video.
        """
        if key not in self.video_keys:
            raise DatasetError(
                f"{self.folder}: expected a video of {', '.join(self.video_keys)}, got {key!r}"
            )
        entry = self.episode(index)
        names = self._names(entry, f"videos/{key}")
        path = self.folder / self.info["video_path"].format(**names, video_key=key)
        if not path.is_file():
            raise DatasetError(f"{path}: expected the video of episode {index}, got no file")
        return path, float(entry.where.get(f"videos/{key}/from_timestamp", 0.0))

    def pictures(
        self, index: int, key: str, rows: Collection[int] | None = None
    ) -> Iterator[Image]:
        """The frames of an episode's video, or of some rows of it, each [H, W, 3] uint8 RGB."""
        path, first_s = self.video(index, key)
        return frames(path, first_s, self.episode(index).length, rows)

    def instructions(self, index: int) -> tuple[str, ...]:
        """The instruction of each row."""
        table = self.table(index, ["task_index"])
        return tuple(self.tasks.get(at, "") for at in table["task_index"].to_pylist())

    def _names(self, entry: EpisodeEntry, what: str) -> dict[str, Any]:
        if self.version == 2:
            size = int(self.info.get("chunks_size", 1000))
            return {"episode_chunk": entry.index // size, "episode_index": entry.index}
        return {name: int(entry.where[f"{what}/{name}"]) for name in ("chunk_index", "file_index")}

    def _read_v2(self) -> tuple[tuple[EpisodeEntry, ...], dict[int, str]]:
        meta = self.folder / "meta"
        entries = (
            EpisodeEntry(
                int(one["episode_index"]), int(one["length"]), tuple(one.get("tasks", ())), {}
            )
            for one in read_lines(meta / "episodes.jsonl")
        )
        tasks = {int(one["task_index"]): one["task"] for one in read_lines(meta / "tasks.jsonl")}
        return tuple(sorted(entries, key=lambda entry: entry.index)), tasks

    def _read_v3(self) -> tuple[tuple[EpisodeEntry, ...], dict[int, str]]:
        meta, found = self.folder / "meta", []
        for path in sorted((meta / "episodes").glob("*/*.parquet")):
            names = pq.read_schema(path).names
            kept = [name for name in names if not name.startswith("stats/")]
            for one in pq.read_table(path, columns=kept).to_pylist():
                found.append(
                    EpisodeEntry(
                        int(one["episode_index"]),
                        int(one["length"]),
                        tuple(one.get("tasks") or ()),
                        one,
                    )
                )
        table = pq.read_table(meta / "tasks.parquet")
        column = next(name for name in table.column_names if name != "task_index")
        tasks = dict(zip(table["task_index"].to_pylist(), table[column].to_pylist(), strict=True))
        return tuple(sorted(found, key=lambda entry: entry.index)), tasks
