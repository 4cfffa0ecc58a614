"""The folder that a demo leaves: figures for a machine, pictures for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from dreamzero_bringup import machine
from dreamzero_bringup.demo import canvas_video, report, timeline_plot
from dreamzero_bringup.demo.goals import Goal, goals
from dreamzero_bringup.demo.process_usage import Usage
from dreamzero_bringup.demo.recording import Recording


def write_folder(
    folder: Path,
    recording: Recording,
    instruction: str,
    verdict: Sequence[report.Check],
    processes: Mapping[str, Usage],
    nominal_period_s: float,
) -> list[Goal]:
    """Writes ``summary.json``; ``timeline.png`` and ``canvas.mp4`` if there is something to show.

    Args:
        folder: an existing folder; files of an earlier run are replaced or removed.
        recording: of the run.
        instruction: that the policy was given.
        verdict: the conditions of a closed loop.
        processes: what each process used.
        nominal_period_s: control period that deviations are counted from.

    Returns:
        The goals of the run, as in the summary.
    """
    for name in ("summary.json", "timeline.png", "canvas.mp4"):
        (folder / name).unlink(missing_ok=True)
    summary = {
        "robot": recording.embodiment.name,
        "instruction": instruction,
        "loop_closed": all(check.holds for check in verdict),
        "checks": [asdict(check) for check in verdict],
        **report.summarise(recording, nominal_period_s),
        **_processes(processes),
        "machine": machine.describe(),
        "versions": machine.versions(),
        "commit": machine.commit(),
    }
    aims = goals(summary)
    summary["goals"] = [asdict(goal) for goal in aims]
    untrained = bool(summary["untrained"])
    if recording.commands or recording.chunks:
        weights = " with UNTRAINED weights" if untrained else ""
        title = f"{recording.embodiment.name}: {instruction!r}{weights}"
        timeline_plot.draw(recording, folder / "timeline.png", title)
    if recording.seen:
        summary["canvases_with_prediction"] = canvas_video.write(
            recording.seen,
            recording.predicted,
            folder / "canvas.mp4",
            frame_ns=_frame_ns(recording),
            origin_ns=recording.first_command_ns or recording.seen[0].stamp_ns,
            untrained=untrained,
        )
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return aims


def _frame_ns(recording: Recording) -> int:
    """Time between two canvases: the shortest seen, or the robot's own with fewer than two."""
    stamps = sorted({picture.stamp_ns for picture in recording.seen})
    gaps = [later - earlier for earlier, later in pairwise(stamps)]
    return min(gaps, default=recording.embodiment.time_base.frame_ns)


def _processes(processes: Mapping[str, Usage]) -> dict[str, object]:
    """CPU and memory by process and together; shared pages count once in the proportional share."""
    return {
        "processes": {
            name: {figure: round(value, 1) for figure, value in asdict(usage).items()}
            for name, usage in processes.items()
        },
        "all_processes": {
            "cpu_percent": round(sum(usage.cpu_percent for usage in processes.values()), 1),
            "resident_mib": round(sum(usage.resident_mib for usage in processes.values())),
            "share_mib": round(sum(usage.share_mib for usage in processes.values())),
        },
    }
