"""The panels of an episode's picture, each drawn from what its own stream says."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise

from matplotlib.axes import Axes

from dreamzero_policy.conversion.gaps import longest_silence_ns
from dreamzero_policy.conversion.resample import joint_sources, site_of
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import Event
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S

COLOURS = {"quality": "#c62828", "note": "#1f4fd8", "instruction": "#444444"}
"""By kind of event."""

_BANDS = ("#cfe3ff", "#ffe3b8", "#d6f2d0", "#f3d6ee", "#e2e2e2", "#fff3a6")
_LEADERS = (("nobody", "#e4e4e4"), ("policy", "#8db4f2"), ("human", "#f2b56b"), ("back", "#d9cdf0"))
_MAX_AGE_NS = NS_PER_S // 5
_ABOVE = -0.9
"""Row of marks that are of no stream."""

_BESIDE = 26
"""Characters that fit into either margin."""

_CHARACTER_S = 1 / 190
"""Width of a character of an instruction as a share of the picture's."""


@dataclass(frozen=True)
class Clock:
    """The picture's time axis.

    Attributes:
        began_ns: ROS time of its zero.
        seconds: its length.
    """

    began_ns: int
    seconds: float

    def s(self, ns: int) -> float:
        """Seconds on the axis."""
        return (ns - self.began_ns) / NS_PER_S

    def ns(self, s: float) -> int:
        """ROS time of a place on the axis."""
        return self.began_ns + round(s * NS_PER_S)


def numbered(episode: Episode) -> list[tuple[int, Event]]:
    """Quality marks and notes in time order, counted from 1."""
    events = [event for event in episode.events if event.kind in ("quality", "note")]
    return list(enumerate(events, start=1))


def required(episode: Episode, robot: Embodiment | None) -> list[str]:
    """Recorded topics of cameras, joints and commands, also those that were not recorded."""
    names = [*sources(episode, robot), "joint_commands"]
    if robot is None:
        return sorted(topic for topic, count in episode.counts.items() if count)[:8]
    for view in robot.views:
        compressed = f"{view.name}/image_raw/compressed"
        names.append(compressed if compressed in episode else f"{view.name}/image_raw")
    return [episode.recorded_name(name) for name in names]


def sources(episode: Episode, robot: Embodiment | None) -> tuple[str, ...]:
    """Topics of measured joints."""
    try:
        return joint_sources(robot, site_of(episode)) if robot else ("joint_states",)
    except ValueError:  # the robot file that was recorded cannot be read
        return ("joint_states",)


def instructions(axis: Axes, episode: Episode, clock: Clock) -> None:
    """A band per instruction."""
    _bare(axis, "asked for")
    begins = [(0.0, episode.facts.prompt)]
    begins += [(clock.s(e.stamp_ns), e.text) for e in episode.events if e.kind == "instruction"]
    texts = list(dict.fromkeys(text for _, text in begins))
    for (begin, text), (end, _) in zip(begins, [*begins[1:], (clock.seconds, "")], strict=True):
        band = _BANDS[texts.index(text) % len(_BANDS)]
        axis.axvspan(begin, end, facecolor=band, edgecolor="white", lw=1.5)
        room = max(1, int((end - begin) / clock.seconds / _CHARACTER_S))
        words = text.strip() or "no instruction"
        shown = words if len(words) <= room else words[: max(0, room - 2)] + "…"
        axis.text(begin, 0.5, f" {shown}", va="center", fontsize=9.5, clip_on=True)


def leaders(axis: Axes, episode: Episode, clock: Clock) -> None:
    """Whose targets were followed."""
    _bare(axis, "led by")
    try:
        stream = episode.stream("authority", "dreamzero_msgs/msg/Authority")
        stream.require("source")
        led = [int(message.source) for message in stream]
    except BagError:
        axis.text(0.0, 0.5, " not recorded", va="center", fontsize=8, color="0.4")
        return
    begins = [max(0.0, clock.s(int(ns))) for ns in stream.log_ns]
    at = 0
    for source, members in groupby(led):
        count = len(list(members))
        end = begins[at + count] if at + count < len(begins) else clock.seconds
        name, colour = _LEADERS[source] if source < len(_LEADERS) else ("?", "#ffffff")
        axis.axvspan(begins[at], end, facecolor=colour, lw=0)
        if end - begins[at] > 0.035 * clock.seconds:
            axis.text(begins[at], 0.48, f" {name}", va="center", fontsize=8, clip_on=True)
        at += count


def streams(axis: Axes, episode: Episode, robot: Embodiment | None, clock: Clock) -> None:
    """A bar per stream, red where it was silent for too long, with its rate; marks by number."""
    names = required(episode, robot)
    axis.set_ylim(len(names) - 0.4, _ABOVE - 0.55)
    axis.set_yticks(range(len(names)), [_topic(name) for name in names], fontsize=8)
    for row, name in enumerate(names):
        if not episode.counts.get(name):
            _gap(axis, row, 0.0, clock.seconds)
            _beside(axis, row, "none", COLOURS["quality"])
            continue
        log_ns = episode.stream(name).log_ns
        first, last = clock.s(int(log_ns[0])), clock.s(int(log_ns[-1]))
        axis.barh(row, last - first, left=first, height=0.55, color="#9fc79b", lw=0)
        longest = longest_silence_ns(log_ns, NS_PER_S // 15, _MAX_AGE_NS)
        ends = [clock.ns(0.0), *log_ns.tolist(), clock.ns(clock.seconds)]
        worst = 0
        commands = "command" in name  # which may pause
        for before, after in pairwise(ends):
            if after - before > longest and not commands:
                _gap(axis, row, clock.s(before), clock.s(after))
            worst = max(worst, after - before)
        hz = (len(log_ns) - 1) / max(1e-9, last - first)
        gap = "" if commands else f", gap {worst / NS_PER_S:.2f} s"
        _beside(axis, row, f"{hz:.0f} Hz{gap}", "0.25")
    for number, event in numbered(episode):
        at = min(max(clock.s(event.stamp_ns), 0.0), clock.seconds)
        row = next((k for k, name in enumerate(names) if _is(episode, event, name)), _ABOVE)
        axis.text(
            at, row, str(number), fontsize=7.5, color="white", weight="bold", ha="center",
            va="center", bbox={"boxstyle": "circle,pad=0.25", "color": COLOURS[event.kind]},
        )  # fmt: skip
    axis.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def mark_lines(axis: Axes, episode: Episode, clock: Clock) -> None:
    """Thin lines where something was marked, noted or asked for."""
    for event in episode.events:
        at = clock.s(event.stamp_ns)
        style = ":" if event.kind == "instruction" else "-"
        axis.axvline(at, color=COLOURS[event.kind], lw=0.8, ls=style, alpha=0.7)


def ending(name: str) -> str:
    """A name as it fits beside a panel: of one that is too long the end, which tells it apart."""
    return name if len(name) <= _BESIDE else f"…{name[1 - _BESIDE :]}"


def say(axis: Axes, text: str) -> None:
    """Why there is nothing to see, in the middle of a panel."""
    axis.text(
        0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=9,
        color=COLOURS["quality"], wrap=True,
    )  # fmt: skip


def _is(episode: Episode, event: Event, name: str) -> bool:
    stream = event.stream and episode.recorded_name(event.stream)
    return bool(stream) and name in (stream, f"{stream}/compressed")


def _topic(name: str) -> str:
    return ending(name.strip("/").removesuffix("/compressed").removesuffix("/image_raw"))


def _bare(axis: Axes, label: str) -> None:
    axis.set_yticks([])
    axis.set_ylim(0.0, 1.0)
    axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    axis.tick_params(bottom=False, labelbottom=False)
    for side in axis.spines.values():
        side.set_visible(False)


def _gap(axis: Axes, row: int, begin: float, end: float) -> None:
    axis.barh(row, end - begin, left=begin, height=0.55, color="#e57373", lw=0)


def _beside(axis: Axes, row: int, text: str, colour: str) -> None:
    axis.annotate(
        text, (1.0, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
        textcoords="offset points", va="center", fontsize=7.5, color=colour,
    )  # fmt: skip
