"""What holds for every topic of a driver: it is there, once, often enough, and stamped right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import Stream

CHRONY = "sudo apt-get install -y chrony on both hosts, then chronyc tracking on each"

_OTHER_CLOCK_S = 1e6  # stamps this far off are no clock of the day
_AHEAD_S = 0.005  # a stamp cannot be later than its arrival but for rounding and clocks
_STEADY_S = 0.02  # ages that usually spread less are an offset, not a load
_BEHIND_S = 0.1  # more than any transport on a local network takes


def presence(
    what: str, stream: Stream, kind: str, ours: str, alternatives: Sequence[str], expected: Expected
) -> Finding | None:
    """What keeps a topic from being heard; None where it is.

    Args:
        what: the row.
        stream: the topic.
        kind: message type that it must have.
        ours: our own name of the topic, for the setting that maps another one to it.
        alternatives: topics of that kind that nobody of ours reads.
        expected: what else there should be.
    """
    setting = f"graph topics in robots/{expected.robot.name}.yaml"
    if not stream.publishers:
        others = f"; others there are: {', '.join(alternatives)}" if alternatives else ""
        theirs = alternatives[0] if alternatives else "/its/topic"
        return failed(
            what,
            f"nobody publishes {stream.topic}{others}",
            expected=kind,
            fix=f"start its driver, or map it: {setting}: ['{ours}:={theirs}']",
        )
    if kind not in stream.types:
        return failed(
            what,
            f"{stream.topic} is {', '.join(stream.types)}",
            expected=kind,
            fix=f"map the right topic in {setting}, or camera_tiler.compressed_views for "
            "CompressedImage",
        )
    if not stream.count:
        return failed(
            what,
            f"{stream.topic}: {', '.join(stream.publishers)} is there, but not one message came",
            fix=f"activate or restart it: ros2 lifecycle get {stream.publishers[0]}; between hosts "
            "also net.core.rmem_max (above)",
        )
    if len(stream.publishers) > 1:
        return failed(
            what,
            f"{stream.topic} has {len(stream.publishers)} publishers: "
            f"{', '.join(stream.publishers)}",
            expected="one: their messages mix",
            fix=f"stop all but one, or give the run a domain of its own (--domain-id); "
            f"ros2 topic info -v {stream.topic}",
        )
    return None


def rate(what: str, stream: Stream, least_hz: float, max_age_s: float) -> Iterator[Finding]:
    """Whether messages come often enough, without gaps."""
    publisher = stream.publishers[0] if stream.publishers else "its driver"
    if stream.rate_hz < 0.95 * least_hz:
        yield failed(
            what,
            f"{stream.rate_hz:.1f} Hz",
            expected=f"{least_hz:g} Hz or more",
            fix=f"raise the rate of {publisher}; between hosts also net.core.rmem_max (above)",
        )
    elif stream.gap_s > max_age_s:
        yield warned(
            what,
            f"{stream.rate_hz:.1f} Hz, but once {stream.gap_s:.2f} s without a message",
            expected=f"gaps below {max_age_s:g} s, after which it is stale",
            fix="`top` on the publisher's host; between hosts: a wired network, net.core.rmem_max",
        )


def stamps(what: str, stream: Stream, max_age_s: float, tolerance_s: float) -> Iterator[Finding]:
    """Whether stamps advance and are neither old nor ahead, by this machine's clock."""
    if not stream.ages_s:
        return
    publisher = stream.publishers[0] if stream.publishers else "its driver"
    if stream.standing_stamps:
        yield failed(
            what,
            f"{stream.standing_stamps} of {stream.count} stamps are not later than the one before",
            expected="stamps that advance",
            fix=f"let {publisher} stamp every message with its own instant",
        )
    middle, first = median(stream.ages_s), min(stream.ages_s)
    if abs(middle) > _OTHER_CLOCK_S:
        yield failed(
            what,
            f"stamps are {middle / 86_400:.0f} days off: another kind of clock",
            expected="ROS time at which it was measured",
            fix=f"let {publisher} stamp with get_clock().now(), not with zero or an uptime",
        )
    elif first < -_AHEAD_S:
        make = failed if first < -tolerance_s else warned
        yield make(
            what,
            f"stamps lie up to {-first:.3f} s in the future",
            expected="the clock of this machine",
            fix=CHRONY,
        )
    elif middle > max_age_s:
        steady = middle - first < _STEADY_S  # a late one now and then proves nothing
        why = ", always the same: an offset of clocks, or a fixed delay" if steady else ""
        yield failed(
            what,
            f"stamps are {middle:.3f} s old on arrival{why}",
            expected=f"at most {max_age_s:g} s, older ones are stale",
            fix=f"{CHRONY}; on one host: let {publisher} stamp when it measures",
        )
    elif middle > max_age_s / 2:
        yield warned(
            what,
            f"stamps are {middle:.3f} s old on arrival",
            expected=f"well below {max_age_s:g} s, at which they are stale",
            fix="`top` on the publisher's host; between hosts: a wired network",
        )


def clocks(streams: Sequence[Stream]) -> Iterator[Finding]:
    """How far the clock of every host that publishes is from this one's, as stamps tell.

    The newest stamp on arrival bounds it from both sides only together with the delay of the
    network, so a clock that is behind by less than ``_BEHIND_S`` is not seen.
    """
    ages: dict[str, list[float]] = {}
    for stream in streams:
        hosts = set(stream.hosts.values()) or {"the drivers' host"}
        if len(hosts) == 1 and stream.ages_s:
            ages.setdefault(hosts.pop(), []).append(min(stream.ages_s))
    if not ages:
        yield skipped("clocks", "no stamped message came")
    for host, found in sorted(ages.items()):
        what, first = f"clock: {host}", min(found)
        if host == "this host":
            yield passed(what, f"the same clock; newest stamps {first * 1e3:.1f} ms old on arrival")
        elif first < -_AHEAD_S:
            yield failed(what, f"ahead by {-first:.3f} s or more", fix=CHRONY)
        elif first > _BEHIND_S:
            yield failed(
                what,
                f"behind by up to {first:.3f} s, or every message is that late",
                expected=f"less than {_BEHIND_S:g} s",
                fix=CHRONY,
            )
        else:
            yield passed(what, f"behind by {first * 1e3:.1f} ms at most, the way included")


def age(stream: Stream) -> str:
    """Usual age on arrival, for a row that passes."""
    return f"{median(stream.ages_s) * 1e3:.0f} ms old on arrival" if stream.ages_s else "no stamps"
