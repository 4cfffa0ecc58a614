"""What was heard of a running robot, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OURS = ("camera_tiler", "proprioception", "controller", "policy")
"""Nodes of a graph that are not the driver."""


@dataclass(frozen=True)
class Stream:
    """One topic over the seconds that were listened to.

    Attributes:
        topic: absolute name.
        types: of the messages, as publishers announce them.
        publishers: names of the nodes that publish it.
        subscribers: names of the nodes that take it, without the doctor.
        hosts: by publisher, which machine it runs on; empty where that cannot be told.
        count: messages.
        rate_hz: messages per second; 0 for fewer than two.
        gap_s: longest time without one.
        ages_s: arrival minus header stamp of every message, by this machine's clock.
        standing_stamps: messages whose stamp was not later than the one before.
    """

    topic: str
    types: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    rate_hz: float = 0.0
    gap_s: float = 0.0
    ages_s: tuple[float, ...] = ()
    standing_stamps: int = 0


@dataclass(frozen=True)
class Camera:
    """What one view's topic brought.

    Attributes:
        stream: its messages.
        alternatives: image topics that nobody of ours reads, for the fix.
        sizes: (width, height) of the images, every one that came.
        encoding, frame_id: of the newest image.
        error: why the newest image cannot be converted; empty where it can.
        pictures: how many different ones came.
        brightest: 99th percentile of the newest image's values, 0 to 255.
        spread: standard deviation of the newest image's values.
    """

    stream: Stream
    alternatives: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    encoding: str = ""
    frame_id: str = ""
    error: str = ""
    pictures: int = 0
    brightest: float = 255.0
    spread: float = 255.0


@dataclass(frozen=True)
class Joints:
    """What one topic of joint states brought.

    Attributes:
        stream: its messages.
        alternatives: topics of joint states that nobody of ours reads.
        names: of the newest message, in its order.
        positions: of the newest message, in the driver's units.
    """

    stream: Stream
    alternatives: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    positions: tuple[float, ...] = ()


@dataclass(frozen=True)
class Driver:
    """What the driver says of itself.

    Attributes:
        stream: its messages.
        sessions: every session that was named; more than one means that it restarted.
        mode: name of a constant of DriverStatus.
        message: its reason.
        refused: commands that it did not obey.
        last_refusal: why.
    """

    stream: Stream
    sessions: tuple[int, ...] = ()
    mode: str = ""
    message: str = ""
    refused: int = 0
    last_refusal: str = ""


@dataclass(frozen=True)
class Mismatch:
    """A publisher and a subscriber whose quality of service keeps them apart.

    Attributes:
        topic: absolute name.
        publisher, subscriber: names of the nodes.
        offered, requested: their settings in words.
        reason: what does not fit.
    """

    topic: str
    publisher: str
    subscriber: str
    offered: str
    requested: str
    reason: str


@dataclass(frozen=True)
class ControllerSaid:
    """The newest status of the controller, as far as it is judged; times in s."""

    mode: str
    hold_reason: str
    message: str
    estopped: bool
    last_refusal: str
    period_mean_s: float
    period_worst_s: float
    overruns: int


@dataclass(frozen=True)
class PolicySaid:
    """The newest status of the policy, as far as it is judged; times in s."""

    state: str
    message: str
    weights: str
    untrained: bool
    latency_s: float


@dataclass(frozen=True)
class Diagnosis:
    """One component's newest line on /diagnostics; level OK, WARN, ERROR or STALE."""

    level: str
    name: str
    message: str


@dataclass(frozen=True)
class Live:
    """Everything that was heard.

    Attributes:
        domain_id: where.
        seconds: for how long.
        nodes: every node's name, without the doctor's own; a name may stand twice.
        states: lifecycle state by node of ours; empty text where it did not answer.
        cameras: by view.
        joints: by topic of the configuration.
        driver: its status topic.
        commands: by topic of ours, who commands and who takes it; its messages were not taken.
        canvas, proprioception, chunks: streams of our nodes.
        controller, policy: their newest status, None where none came.
        mismatches: of every topic of ours.
        diagnoses: the newest of every component.
    """

    domain_id: int
    seconds: float
    nodes: tuple[str, ...] = ()
    states: Mapping[str, str] = field(default_factory=dict)
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    joints: Mapping[str, Joints] = field(default_factory=dict)
    driver: Driver = field(default_factory=lambda: Driver(Stream("/driver_status")))
    commands: Mapping[str, Stream] = field(default_factory=dict)
    canvas: Stream = field(default_factory=lambda: Stream("/canvas"))
    proprioception: Stream = field(default_factory=lambda: Stream("/proprioception"))
    controller: ControllerSaid | None = None
    policy: PolicySaid | None = None
    mismatches: tuple[Mismatch, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether a robot's driver or a node of ours is there at all."""
        streams = [
            *(camera.stream for camera in self.cameras.values()),
            *(joints.stream for joints in self.joints.values()),
            self.driver.stream,
        ]
        return bool(self.states) or any(stream.publishers for stream in streams)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Every stream whose stamps are a driver's."""
        return (
            *(camera.stream for camera in self.cameras.values()),
            *(joints.stream for joints in self.joints.values()),
            self.driver.stream,
        )
