"""The log of a shadow run: one JSON line per message, on disk as it comes.

A killed process or a cut last line costs that line only, and a full disk ends the log with a
reason, never the run: nothing that moves a robot depends on it.

Lines by ``kind``: ``start`` (robot, instruction), ``policy`` (weights, untrained), ``chunk``,
``state`` (measured), ``human`` (what the human commanded), ``planned`` (what the chunk in force
said for the same tick), ``refused`` (a chunk, and why) and ``end``. Positions are in model units,
times in ns of the ROS clock.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import ActionChunk, Float

FILE = "shadow.jsonl"
_DIGITS = 6


class ShadowLog:
    """Appends lines to a new file.

    Attributes:
        path: of the file.
        broken: why nothing is written any more; empty while it is.
        lines: written so far.

    Raises:
        ValueError: the file is there already, or its folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.broken, self.lines = path, "", 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("x", buffering=1, encoding="utf-8")
        except FileExistsError as error:
            raise ValueError(
                f"shadow log: expected a new file, got {path}, which is there"
            ) from error
        except OSError as error:
            raise ValueError(f"shadow log: expected a folder to write to: {error}") from error

    def write(self, kind: str, **values: object) -> None:
        """Appends a line; after a failure of the disk it does nothing."""
        if self.broken:
            return
        try:
            self._file.write(json.dumps({"kind": kind, **values}) + "\n")
            self.lines += 1
        except OSError as error:
            self.broken = f"the log ended after {self.lines} lines: {error}"

    def chunk(self, received_ns: int, chunk: ActionChunk) -> None:
        """Appends a chunk."""
        self.write(
            "chunk",
            received=received_ns,
            observation=chunk.observation_ns,
            start=chunk.start_ns,
            step=chunk.step_ns,
            session=chunk.session,
            sequence=chunk.sequence,
            rows=[_plain(row) for row in chunk.rows],
        )

    def pose(self, kind: str, stamp_ns: int, positions: Float) -> None:
        """Appends a ``state``, ``human`` or ``planned`` line; what is not known is NaN."""
        self.write(kind, stamp=stamp_ns, positions=_plain(positions))

    def close(self) -> None:
        """Ends the file."""
        self.write("end")
        try:
            self._file.close()
        except OSError as error:
            self.broken = self.broken or f"the log's end was not written: {error}"


def _plain(values: Float) -> list[float | None]:
    return [round(v, _DIGITS) if math.isfinite(v) else None for v in map(float, values)]


@dataclass
class ShadowRun:
    """A log, read back.

    Attributes:
        embodiment: of the robot.
        instruction: the policy's.
        weights, untrained: of the policy; as it said last.
        chunks: (received [ns], chunk), in order.
        states: stamps [N] int64 and positions [N, A] of the measured joints; bases are NaN.
        human: the same of what the human commanded; no rows where no command was seen.
        planned: the same of what the chunk in force said.
        refused: reason to count, of chunks that the controller would not have followed.
        complete: the log has its end.
        damaged: lines that could not be read.
    """

    embodiment: Embodiment
    instruction: str
    weights: str = ""
    untrained: bool = False
    chunks: list[tuple[int, ActionChunk]] = field(default_factory=list)
    states: tuple[np.ndarray, Float] = (np.zeros(0, dtype=np.int64), np.zeros((0, 0)))
    human: tuple[np.ndarray, Float] = (np.zeros(0, dtype=np.int64), np.zeros((0, 0)))
    planned: tuple[np.ndarray, Float] = (np.zeros(0, dtype=np.int64), np.zeros((0, 0)))
    refused: dict[str, int] = field(default_factory=dict)
    complete: bool = False
    damaged: int = 0


def read(path: Path) -> ShadowRun:
    """Reads a log, also one whose writer was killed.

    Raises:
        ValueError: no such file, or it does not begin as a shadow log does.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ValueError(f"shadow log: expected a file {path}: {error}") from error
    damaged: list[int] = []
    records = list(_records(lines, damaged))
    first = records[0] if records else {}
    if first.get("kind") != "start" or not isinstance(first.get("robot"), str):
        raise ValueError(f"{path}: expected a shadow log, which begins with its start line")
    run = ShadowRun(embodiments.get(first["robot"]), str(first.get("instruction", "")))
    poses: dict[str, list[tuple[int, Float]]] = {"state": [], "human": [], "planned": []}
    width = len(run.embodiment.joints)
    for record in records[1:]:
        kind = record.get("kind")
        try:
            if kind in poses:
                poses[kind].append((int(record["stamp"]), _positions(record["positions"], width)))
            elif kind == "chunk":
                run.chunks.append((int(record["received"]), _chunk(record, run.embodiment)))
            elif kind == "policy":
                run.weights, run.untrained = str(record["weights"]), bool(record["untrained"])
            elif kind == "refused":
                run.refused[record["reason"]] = run.refused.get(record["reason"], 0) + 1
            run.complete = kind == "end"
        except (KeyError, TypeError, ValueError):
            damaged.append(1)
    run.states, run.human, run.planned = (
        (
            np.array([stamp for stamp, _ in rows], dtype=np.int64),
            np.array([positions for _, positions in rows]).reshape(-1, width),
        )
        for rows in poses.values()
    )
    run.damaged = len(damaged)
    return run


def _records(lines: list[str], damaged: list[int]) -> Iterator[Mapping[str, Any]]:
    """Every line that is a JSON object; the others are counted."""
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            record = None
        if isinstance(record, dict):
            yield record
        else:
            damaged.append(1)


def _positions(values: list, width: int) -> Float:
    positions = np.array([math.nan if value is None else float(value) for value in values])
    if positions.shape != (width,):
        raise ValueError(f"positions: expected {width} values, got {len(values)}")
    return positions


def _chunk(record: Mapping[str, Any], embodiment: Embodiment) -> ActionChunk:
    width = len(embodiment.joints)
    return ActionChunk(
        observation_ns=int(record["observation"]),
        start_ns=int(record["start"]),
        step_ns=int(record["step"]),
        rows=np.array([_positions(row, width) for row in record["rows"]]),
        names=embodiment.action_joints,
        session=int(record["session"]),
        sequence=int(record["sequence"]),
    )
