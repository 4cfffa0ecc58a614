"""An episode in one picture: what was seen, what was asked, who led, how joints moved, what broke.

Everything stands over one time axis, so that a mark, a picture and a joint can be put together by
eye. A stream that cannot be drawn says why in its place; the rest of the picture is there.
"""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import UnknownRobotError
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.episodes import joint_panels, panels
from dreamzero_policy.episodes.found import seconds_of
from dreamzero_policy.episodes.strip import canvases
from dreamzero_policy.episodes.tags import tags_of
from dreamzero_policy.types import NS_PER_S

_WIDE, _DPI = 16.0, 120
_CANVASES = 6
_MOST_LINES = 12
_OUTCOMES = {"success": "#1a7f37", "failure": "#b42318", "partial": "#b26a00"}


def draw(folder: Path, path: Path, robots: Path | None = None) -> None:
    """Writes the picture of a complete bag.

    Args:
        folder: of the bag.
        path: where to, a ``.png``; its folder is made.
        robots: folder of an installation's own robots.

    Raises:
        BagError: it cannot be opened.
        OSError: the picture cannot be written.
    """
    with Episode(folder, robots) as episode:
        figure = _drawn(episode)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})


def _drawn(episode: Episode) -> Figure:
    try:
        robot: Embodiment | None = episode.embodiment
    except UnknownRobotError:
        robot = None
    seconds = max(seconds_of(episode), (episode.span_ns[1] - episode.span_ns[0]) / NS_PER_S, 0.1)
    clock = panels.Clock(episode.facts.started_ns or episode.span_ns[0], seconds)
    moved = joint_panels.motion(episode, robot, clock)
    groups = joint_panels.joint_groups(robot, moved)
    lines = _list_of_marks(episode, clock)
    height = (
        [_WIDE / _CANVASES * _aspect(robot), 0.42, 0.24]
        + [1.5 if len(group.names) > 2 else 0.8 for group in groups]
        + [0.24 * (1 + len(panels.required(episode, robot)))]
    )
    above, below = 0.85, 0.55 + 0.2 * len(lines)
    figure = Figure(figsize=(_WIDE, sum(height) + 0.16 * len(height) + above + below))
    FigureCanvasAgg(figure)
    total = figure.get_figheight()
    axes = figure.subplots(
        len(height),
        1,
        sharex=True,
        gridspec_kw={
            "height_ratios": height,
            "left": 0.1,
            "right": 0.9,
            "top": 1 - above / total,
            "bottom": below / total,
            "hspace": 0.16 * len(height) / sum(height),
        },
    )
    seen, asked, led, *joints, streams = axes
    _strip(seen, episode, robot, clock)
    panels.instructions(asked, episode, clock)
    panels.leaders(led, episode, clock)
    for axis, group in zip(joints, groups, strict=True):
        joint_panels.joints(axis, moved, robot, group)
    panels.streams(streams, episode, robot, clock)
    for axis in axes:
        axis.set_xlim(0.0, clock.seconds)
    for axis in joints:
        panels.mark_lines(axis, episode, clock)
    joint_panels.explain_lines(joints[0])
    streams.set_xlabel("seconds", fontsize=9)
    streams.tick_params(axis="x", labelsize=9)
    _title(figure, episode, total)
    for number, (text, colour) in enumerate(lines):
        figure.text(0.1, (below - 0.55 - 0.2 * number) / total, text, color=colour, fontsize=9)
    return figure


def _aspect(robot: Embodiment | None) -> float:
    """Height of a canvas as a share of its width, on a strip of eight tenths of the figure."""
    height, width = robot.canvas_size if robot else (1, 8)
    return 0.8 * height / width


def _strip(axis: Axes, episode: Episode, robot: Embodiment | None, clock: panels.Clock) -> None:
    """Canvases, each over the time around its instant."""
    axis.tick_params(bottom=False, labelbottom=False)
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)
    if robot is None:
        panels.say(axis, f"robot {episode.facts.robot!r} is not known here: nothing can be tiled")
        return
    width = clock.seconds / _CANVASES
    middles = [(k + 0.5) * width for k in range(_CANVASES)]
    shown = canvases(episode, [clock.ns(at) for at in middles])
    for at, picture in zip(middles, shown, strict=True):
        extent = (at - 0.49 * width, at + 0.49 * width, 0.0, 1.0)
        axis.imshow(picture, extent=extent, aspect="auto", interpolation="antialiased")
        label = axis.text(at - 0.47 * width, 0.95, f"{at:.1f} s", color="white", fontsize=8)
        label.set(va="top", bbox={"facecolor": "black", "alpha": 0.55, "pad": 1.5, "lw": 0})
    axis.set_ylim(0.0, 1.0)


def _title(figure: Figure, episode: Episode, total: float) -> None:
    facts, ending = episode.facts, episode.ending
    outcome = episode.outcome or "outcome unknown"
    figure.text(0.1, 1 - 0.32 / total, episode.name, fontsize=15, weight="bold")
    figure.text(
        0.9, 1 - 0.32 / total, outcome, fontsize=15, weight="bold", ha="right",
        color=_OUTCOMES.get(outcome, "0.4"),
    )  # fmt: skip
    when = f"{datetime.fromtimestamp(facts.started_ns / NS_PER_S, UTC):%Y-%m-%d %H:%M:%S} UTC"
    policy = f"policy: {facts.checkpoint}" if facts.checkpoint else ""
    parts = [
        facts.robot,
        f"{seconds_of(episode):.1f} s",
        facts.task,
        facts.operator,
        facts.place,
        when,
        policy,
        " ".join(f"#{tag}" for tag in tags_of(episode.custom)),
        "cut off and recovered" if episode.recovered else "",
    ]
    line = textwrap.shorten("  ·  ".join(filter(None, parts)), 170, placeholder=" ...")
    figure.text(0.1, 1 - 0.6 / total, line, fontsize=10, color="0.25")
    notes = episode.custom.get("dreamzero.notes") or (ending.notes if ending else "")
    if notes:
        shown = textwrap.shorten(notes.replace("\n", "; "), 60, placeholder=" ...")
        figure.text(0.9, 1 - 0.6 / total, shown, fontsize=10, ha="right", style="italic")


def _list_of_marks(episode: Episode, clock: panels.Clock) -> list[tuple[str, str]]:
    """Numbered marks and notes in words, with their colours."""
    events = panels.numbered(episode)
    lines = []
    for number, event in events[:_MOST_LINES]:
        where = f"{event.stream}: " if event.stream else ""
        text = textwrap.shorten(f"{where}{event.text}", 150, placeholder=" ...")
        at = clock.s(event.stamp_ns)
        lines.append((f"{number}   {at:6.1f} s   {text}", panels.COLOURS[event.kind]))
    if len(events) > _MOST_LINES:
        lines.append((f"... and {len(events) - _MOST_LINES} more", "0.4"))
    if not any(event.kind == "quality" for _, event in events):
        lines.append(("no threshold was broken while it was recorded", "#1a7f37"))
    return lines
