"""Streams of a recording to rows on the control grid, by the functions of the live nodes.

State: every source on the line between its two neighbouring measurements, grippers by the last
one (``StateAssembler``). Picture: the newest not later than the instant (``align``). Action: the
command in force. Instants are those of the live grids, so that every canvas instant is a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from dreamzero_policy.conversion.gaps import (
    frozen_faults,
    gap_faults,
    longest_silence_ns,
    merged,
)
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import MissingTopicError, WrongSchemaError
from dreamzero_policy.data.streams import Stream
from dreamzero_policy.embodiments.embodiment import BASE_AXES, Embodiment
from dreamzero_policy.observation.frame_ids import FrameIds, parse_frame_ids
from dreamzero_policy.observation.proprioception import Measured, StateAssembler, parse_sources
from dreamzero_policy.observation.sync import AlignedView, Grid, TimeBuffer, align
from dreamzero_policy.types import NS_PER_S, Float, Int

_KEPT = 8
"""Values kept of a stream that is walked through in time order."""


@dataclass(frozen=True)
class _Series:
    """Values of one stream whose stamps advance.

    Attributes:
        name: for messages.
        stamps_ns: [M] increasing.
        values: M of them.
    """

    name: str
    stamps_ns: Int
    values: Sequence


class _Feed:
    """Puts a series into a buffer as time goes on."""

    def __init__(self, series: _Series) -> None:
        self.buffer: TimeBuffer = TimeBuffer(_KEPT)
        self._series, self._at = series, 0

    def until(self, instant_ns: int) -> None:
        """Appends what is not later than the instant."""
        series = self._series
        while self._at < len(series.stamps_ns) and series.stamps_ns[self._at] <= instant_ns:
            self.buffer.append(int(series.stamps_ns[self._at]), series.values[self._at])
            self._at += 1


def camera_stream(episode: Episode, view: str) -> Stream:
    """The pictures of a view, raw or compressed, whichever was recorded.

    Raises:
        MissingTopicError: neither was.
    """
    compressed = f"{view}/image_raw/compressed"
    return episode.stream(compressed if compressed in episode else f"{view}/image_raw")


def resample(episode: Episode, settings: ConversionSettings) -> Rows:
    """The rows of a recording.

    Raises:
        BagError: a topic is missing, of another type, or changes its joints; a clock was set back;
            streams that have no instant in common.
        ValueError: joints that are not the robot's.
    """
    robot, site = settings.embodiment, site_of(episode)
    max_age_ns = round(settings.max_age_s * NS_PER_S)
    grid = Grid(robot.time_base.control_hz)
    streams = {view.name: camera_stream(episode, view.name) for view in robot.views}
    views = {name: _pictures(name, streams[name], robot, site) for name in streams}
    sources = _sources(episode, robot, site)
    commands = _commands(episode, robot)

    everything = [*views.values(), *sources.values(), *commands.values()]
    instants_ns = _instants(grid, everything)
    pictures, ages_ns = _pictures_at(views, instants_ns, max_age_ns)
    states = _states_at(robot, sources, site, instants_ns, max_age_ns)
    actions = _actions_at(robot, commands, instants_ns, max_age_ns)
    row_ns = robot.time_base.row_ns
    faults = [
        gap_faults(
            series.name,
            series.stamps_ns,
            instants_ns,
            longest_silence_ns(series.stamps_ns, row_ns, max_age_ns),
        )
        for series in everything
    ]
    faults += [
        dict.fromkeys(np.flatnonzero(pictures[:, at] < 0).tolist(), f"{view}: no fresh picture")
        for at, view in enumerate(views)
    ]
    for what, values in (("state", states), ("command", actions)):
        missing = np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist()
        faults.append(dict.fromkeys(missing, f"no fresh {what}"))
    shown = {
        name: (streams[name], list(zip(s.stamps_ns.tolist(), s.values, strict=True)))
        for name, s in views.items()
    }
    faults.append(frozen_faults(robot, shown, instants_ns, states, settings.still_views))
    instructions = tuple(
        (episode.instruction_at(int(instant)) or settings.instruction).strip()
        for instant in instants_ns
    )
    without = [row for row, text in enumerate(instructions) if not text]
    faults.append(dict.fromkeys(without, "no instruction"))
    return Rows(
        instants_ns,
        states,
        actions,
        pictures,
        ages_ns,
        instructions,
        merged(faults, len(instants_ns)),
    )


def site_of(episode: Episode) -> dict[str, dict]:
    """Parameters by node of the installation's robot file that the recording carries."""
    try:
        sections = yaml.safe_load(episode.facts.robot_file) or {}
    except yaml.YAMLError as error:
        raise WrongSchemaError(f"{episode.folder}: its robot file is not YAML: {error}") from error
    return {
        str(section).rsplit("/", 1)[-1]: body.get("ros__parameters") or {}
        for section, body in sections.items()
        if isinstance(body, dict)
    }


def joint_sources(robot: Embodiment, site: Mapping[str, dict]) -> tuple[str, ...]:
    """Topics of measured joints, by our names, as the installation's proprioception listens."""
    texts = site.get("proprioception", {}).get("sources", ())
    return tuple(parse_sources(texts) or {"joint_states": robot.state_joints})


def _advancing(name: str, stamps_ns: Int, values: Sequence) -> _Series:
    """A series without what a live node refuses: stamps not later than the newest before."""
    kept = np.ones(len(stamps_ns), dtype=bool)
    if len(stamps_ns):
        kept[1:] = stamps_ns[1:] > np.maximum.accumulate(stamps_ns)[:-1]
    chosen = [values[index] for index in np.flatnonzero(kept)]
    return _Series(name, stamps_ns[kept], chosen)


def _pictures(view: str, stream: Stream, robot: Embodiment, site: dict[str, dict]) -> _Series:
    """Stamps and message indices of a view's pictures, without those of another camera.

    Raises:
        WrongSchemaError: most pictures are another camera's.
    """
    names = [one.name for one in robot.views]
    given = site.get("camera_tiler", {}).get("frame_ids", ())
    frame_ids, refused = FrameIds(names, parse_frame_ids(given, names)), []
    stamps_ns, kept = stream.stamps_ns, []
    for index in range(len(stream)):
        refusal = frame_ids.refusal(view, stream[index].header.frame_id)
        (refused if refusal else kept).append(refusal or index)
    if not kept:
        raise WrongSchemaError(f"{stream.topic}: {refused[0]}")
    return _advancing(view, stamps_ns[np.array(kept)], kept)


def _sources(episode: Episode, robot: Embodiment, site: dict[str, dict]) -> dict[str, _Series]:
    """Joint messages by source, each value the names and the positions."""
    found = {}
    for source in joint_sources(robot, site):
        series = episode.stream(source).joints()
        values = [(series.names, positions) for positions in series.positions]
        found[source] = _advancing(source, series.stamps_ns, values)
    return found


def _commands(episode: Episode, robot: Embodiment) -> dict[str, _Series]:
    """Commands in model units by topic: joints in the order of the action, the base's axes.

    Raises:
        MissingTopicError: a joint is never commanded.
    """
    joints = [joint for joint in robot.joints if joint.kind != "base"]
    series = episode.stream("joint_commands").joints()
    missing = [joint.name for joint in joints if joint.name not in series.names]
    if missing:
        raise MissingTopicError(
            f"joint_commands: expected commands of {', '.join(joint.name for joint in joints)}, "
            f"got none of {', '.join(missing)}"
        )
    targets = np.stack(
        [
            joint.command_wire.to_model(series.positions[:, series.names.index(joint.name)])
            for joint in joints
        ],
        axis=1,
    )
    found = {"joint_commands": _advancing("joint_commands", series.stamps_ns, targets)}
    base = [joint.name for joint in robot.joints if joint.kind == "base"]
    if base:
        stream = episode.stream("base_command", "geometry_msgs/msg/Twist")
        axes = [BASE_AXES[name] for name in base]
        speeds = [[getattr(getattr(m, part), axis) for part, axis in axes] for m in stream]
        found["base_command"] = _advancing("base_command", stream.stamps_ns, np.array(speeds))
    return found


def _instants(grid: Grid, everything: Sequence[_Series]) -> Int:
    """Instants at which every stream has begun and none has ended.

    Raises:
        MissingTopicError: there is none.
    """
    first_ns = max(int(series.stamps_ns[0]) for series in everything)
    last_ns = min(int(series.stamps_ns[-1]) for series in everything)
    first, last = grid.index_at(first_ns - 1) + 1, grid.index_at(last_ns)
    if first > last:
        late = max(everything, key=lambda series: int(series.stamps_ns[0]))
        early = min(everything, key=lambda series: int(series.stamps_ns[-1]))
        raise MissingTopicError(
            f"expected streams that overlap, but {late.name} begins after {early.name} ends"
        )
    return np.array([grid.instant(index) for index in range(first, last + 1)], dtype=np.int64)


def _pictures_at(views: dict[str, _Series], instants_ns: Int, max_age_ns: int) -> tuple[Int, Int]:
    """Which picture of each view belongs to each instant, and its age: [N, V] both."""
    feeds = {name: _Feed(series) for name, series in views.items()}
    shown = np.full((len(instants_ns), len(views)), -1, dtype=np.int64)
    ages_ns = np.zeros_like(shown)
    columns = {name: at for at, name in enumerate(views)}
    for row, instant in enumerate(instants_ns.tolist()):
        for name, view in _aligned(feeds, instant, max_age_ns).items():
            shown[row, columns[name]] = view.value
            ages_ns[row, columns[name]] = view.age_ns
    return shown, ages_ns


def _states_at(
    robot: Embodiment,
    sources: dict[str, _Series],
    site: dict[str, dict],
    instants_ns: Int,
    max_age_ns: int,
) -> Float:
    """The state at each instant: [N, S] in model units, NaN where there is none."""
    settings = site.get("proprioception", {})
    names = parse_sources(settings.get("sources", ()))
    assembler = StateAssembler(robot, max_age_ns, names, settings.get("ignored_joints", ()))
    at = dict.fromkeys(sources, 0)
    states = np.full((len(instants_ns), len(robot.state_joints)), np.nan)
    for row, instant in enumerate(instants_ns.tolist()):
        for source, series in sources.items():
            # One measurement beyond the instant, to interpolate with.
            while at[source] < len(series.stamps_ns) and (
                assembler.newest_ns(source) is None or assembler.newest_ns(source) < instant
            ):
                given, positions = series.values[at[source]]
                stamp_ns = int(series.stamps_ns[at[source]])
                assembler.update(source, stamp_ns, given, positions)
                at[source] += 1
        state = assembler.at(instant)
        if isinstance(state, Measured):
            states[row] = state.positions
    return states


def _actions_at(
    robot: Embodiment, commands: dict[str, _Series], instants_ns: Int, max_age_ns: int
) -> Float:
    """The command in force at each instant: [N, A] in model units, NaN where there is none."""
    feeds = {name: _Feed(series) for name, series in commands.items()}
    is_base = np.array([joint.kind == "base" for joint in robot.joints])
    columns = {"joint_commands": ~is_base, "base_command": is_base}
    actions = np.full((len(instants_ns), len(robot.joints)), np.nan)
    for row, instant in enumerate(instants_ns.tolist()):
        for name, view in _aligned(feeds, instant, max_age_ns).items():
            actions[row, columns[name]] = view.value
    return actions


def _aligned(
    feeds: dict[str, _Feed], instant_ns: int, max_age_ns: int
) -> Mapping[str, AlignedView]:
    """What every fresh stream says at an instant."""
    for feed in feeds.values():
        feed.until(instant_ns)
    buffers = {name: feed.buffer for name, feed in feeds.items()}
    return align(buffers, instant_ns, max_age_ns).views
