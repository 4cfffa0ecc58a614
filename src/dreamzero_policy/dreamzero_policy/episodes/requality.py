"""The recorder's quality watch over a finished episode: the same code, at the pace of the disk."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.episode_facts import Event
from dreamzero_policy.recording.peek import Input, Peek
from dreamzero_policy.recording.quality import QualityWatch, Thresholds
from dreamzero_policy.recording.recorded_streams import RecordedStream
from dreamzero_policy.types import NS_PER_S

_LOOK_NS = NS_PER_S // 2
_HELPFUL = ("proprioception", "driver_status")


def judge(
    episode: Episode, required: Mapping[str, str], thresholds: Thresholds | None = None
) -> tuple[list[Event], float]:
    """What an episode broke, by thresholds that may be stricter than those of the recording.

    A stream's own usual rate is what it must keep. What only a live recorder sees, such as messages
    that did not fit its queue, stands in the bag's own marks.

    Args:
        episode: whose robot is known.
        required: the view by topic that must be there, empty for what is none; of our names.
        thresholds: what is noticeable; the recorder's defaults without.

    Returns:
        Marks in time order, and the share of time in which the robot stood still, -1 without poses.
    """
    robot = episode.embodiment
    streams = [
        RecordedStream(
            name,
            episode.types[episode.recorded_name(name)],
            view=view,
            required=True,
            nominal_hz=_usual_hz(episode, name),
        )
        for name, view in required.items()
        if name in episode
    ]
    streams += [
        RecordedStream(name, episode.types[episode.recorded_name(name)])
        for name in _HELPFUL
        if name in episode
    ]
    watch = QualityWatch(robot, streams, thresholds or Thresholds())
    peek = Peek(robot, episode.decoder, watch)
    inputs = {
        episode.recorded_name(one.name): Input(one, episode.decoder.stamped(one.msgtype))
        for one in streams
    }
    due_ns = end_ns = 0
    for message in episode.messages([one.name for one in streams]):
        if not due_ns:
            watch.begin(message.log_ns)
            due_ns = message.log_ns + _LOOK_NS
        while message.log_ns >= due_ns:
            watch.check(due_ns)
            due_ns += _LOOK_NS
        known, end_ns = inputs[message.topic], message.log_ns
        stamp_ns = known.stamp_ns(message.data)
        watch.took(known.stream.name, message.log_ns, stamp_ns)
        with suppress(ValueError):  # validation names what cannot be decoded
            peek.look(known, message.data, stamp_ns)
    if due_ns:
        watch.check(end_ns)
    return watch.marks, watch.idle_share


def _usual_hz(episode: Episode, name: str) -> float:
    """The rate of a stream, whatever gaps it has."""
    between = np.diff(episode.stream(name).log_ns)
    period = float(np.median(between)) if len(between) else 0.0
    return NS_PER_S / period if period > 0 else 0.0
