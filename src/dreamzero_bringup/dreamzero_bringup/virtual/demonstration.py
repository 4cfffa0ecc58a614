"""One demonstration in virtual time: an expert leads through the gate, the recorder records.

The bag is the project's own recorder's, fed with what the live graph would have published. Its
clock is the episode's own: it begins at the instant that it is given, and its messages are the same
every time.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dreamzero_bringup.installed import package_prefix
from dreamzero_bringup.virtual.encoding import Encoder
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_bringup.virtual.streams import Streams
from dreamzero_policy import embodiments
from dreamzero_policy.data.definitions import Definition, define
from dreamzero_policy.data.episode_facts import EpisodeFacts
from dreamzero_policy.data.episode_store import EpisodeStore
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.data.rosbag2_layout import METADATA, Qos
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.recording.jpeg import COMPRESSED
from dreamzero_policy.recording.recorded_streams import streams_of
from dreamzero_policy.recording.recorder import Recorder, RecorderSettings, Source
from dreamzero_policy.ros.definitions import message_text
from dreamzero_policy.types import NS_PER_S, Float

if TYPE_CHECKING:
    from sim_driver.experts.expert import Expert
    from sim_driver.tasks.judge import Verdict
    from sim_driver.tasks.split import Split

_LAG_S = 0.3  # of the gate: the expert rests so much longer before it looks again
_BEFORE_NS = NS_PER_S  # streams run so long before an episode begins: their rates are known then
_AFTER_S = 0.8  # what was let go of comes to rest, and the judge looks on
_LOOK_TICKS = 15
_FULL = 0.25  # of the recorder's queue: then virtual time waits for the disk
MAKING = ".making"
"""Where recordings are while they are made."""


@dataclass(frozen=True)
class Order:
    """A demonstration that is to be made.

    Attributes:
        robot: name of the embodiment.
        task, seed, choice: of the scene and its first instruction.
        further: choices that are asked for after it, in the same scene.
        interrupt_s: an instruction gives way to the next one at a random instant within so long,
            done or not [s]; 0: when it is done.
        split: whose instructions these are; it decides by which words things are asked for.
        expert_seed: of the expert's habits.
        out: folder of the recordings.
        start_ns: where the episode's clock begins; with the robot it gives the folder's name.
        picture_size: (height, width) of the pictures.
        camera_hz: pictures a second of each view.
    """

    robot: str
    task: str
    seed: int
    choice: int
    split: Split
    expert_seed: int
    out: Path
    start_ns: int
    picture_size: tuple[int, int]
    camera_hz: int
    further: tuple[int, ...] = ()
    interrupt_s: float = 0.0

    @property
    def name(self) -> str:
        """Of the episode and its folder."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(self.start_ns // NS_PER_S))
        return f"{self.robot}_{stamp}"

    @property
    def folder(self) -> Path:
        """Where the recording is once it is complete."""
        return self.out / self.name


@dataclass(frozen=True)
class Made:
    """A demonstration that was made.

    Attributes:
        name: of the episode.
        instruction: what was asked for last.
        success: whether everything was done that was not interrupted.
        seconds: how long it is [s].
        took_s: to make it [s].
        trouble: why the expert gave up, or what was wrong; empty for nothing.
    """

    name: str
    instruction: str
    success: bool
    seconds: float
    took_s: float
    trouble: str


def is_made(order: Order) -> bool:
    """Whether the recording is there, whole."""
    return (order.folder / METADATA).is_file()


def make(order: Order) -> Made:
    """Makes a demonstration; its folder appears when it is complete.

    Raises:
        ValueError: an unknown robot, task or choice.
        BagError: a disk that is full, or a folder that cannot be written to.
    """
    began = time.perf_counter()
    making = order.out / MAKING / order.name
    shutil.rmtree(making, ignore_errors=True)
    store = EpisodeStore(making)
    store.acquire()
    rig = Rig(
        order.robot,
        order.task,
        order.seed,
        order.choice,
        start_ns=order.start_ns - _BEFORE_NS,
        picture_size=order.picture_size,
    )
    try:
        recorder = _recorder(order.robot, store)
        trouble, verdicts, words = _perform(rig, recorder, order)
        success = all(verdict.success for verdict in verdicts)
        ended = recorder.complete(
            recorder.detach(),
            rig.now_ns,
            outcome="success" if success else "failure",
            notes=f"progress {', '.join(f'{verdict.progress:.2f}' for verdict in verdicts)}",
        )
        if not ended.written_whole or ended.dropped:
            raise BagError(ended.message)
    finally:
        rig.close()
        store.release()
    os.rename(ended.folder, order.folder)
    shutil.rmtree(making, ignore_errors=True)
    return Made(
        order.name,
        words,
        success,
        (rig.now_ns - order.start_ns) / NS_PER_S,
        time.perf_counter() - began,
        trouble or "; ".join(mark.text for mark in recorder.marks),
    )


def _perform(rig: Rig, recorder: Recorder, order: Order) -> tuple[str, list[Verdict], str]:
    """The expert's scripts, recorded.

    Returns:
        Why it gave up, if it did; what came of every script that was not interrupted; what was
        asked for last.
    """
    definitions = _definitions(order.robot).values()
    streams = Streams(rig, recorder, Encoder(definitions))
    cameras = Grid(order.camera_hz)
    if not rig.grid.contains(cameras):
        raise ValueError(
            f"camera rate: expected one that divides {float(rig.grid.hz):g} Hz, "
            f"got {order.camera_hz} Hz"
        )
    still = rig.scene.see()
    while rig.now_ns < order.start_ns:
        _step(rig, streams, cameras, pictures=still)
    judge, words = rig.scene.judge, _words(rig, order, 0)
    facts = EpisodeFacts(
        name="",
        robot=order.robot,
        started_ns=0,
        prompt=words,
        task=order.task,
        operator="scripted expert",
        place="simulation in virtual time",
        extra={
            "seed": str(order.seed),
            "choice": str(judge.index),
            **({"further": " ".join(map(str, order.further))} if order.further else {}),
            **({"interrupt_s": str(order.interrupt_s)} if order.interrupt_s else {}),
            "expert_seed": str(order.expert_seed),
            "split": order.split,
        },
    )
    recorder.begin(facts, _sources(order.robot), rig.now_ns)
    expert = rig.scene.expert(order.expert_seed, _LAG_S)
    rig.enable()
    verdicts, trouble = [], ""
    rng = np.random.default_rng([order.seed, judge.index, order.expert_seed])
    for number in range(1 + len(order.further)):
        if number:
            rig.scene.ask(order.further[number - 1])
            words = _words(rig, order, number)
            recorder.mark("instruction", words, rig.now_ns)
            expert = rig.scene.expert(order.expert_seed, _LAG_S, after=expert)
        last = number == len(order.further)
        rest_s = _AFTER_S if last else 0.0
        until_s = math.inf if last or not order.interrupt_s else rng.uniform(0, order.interrupt_s)
        trouble = _play(rig, recorder, streams, cameras, expert, rest_s, until_s)
        if trouble or expert.finished:
            verdicts.append(rig.scene.verdict)
        if trouble:
            break
    return trouble, verdicts, words


def _words(rig: Rig, order: Order, number: int) -> str:
    """What is said for a scene's present choice, drawn from what its split may say."""
    from sim_driver.tasks.split import said

    judge = rig.scene.judge
    wordings = said(judge.task, judge.layout, judge.choice, order.split)
    rng = np.random.default_rng([order.seed, judge.index, number])
    return wordings[int(rng.integers(len(wordings)))]


def _play(
    rig: Rig,
    recorder: Recorder,
    streams: Streams,
    cameras: Grid,
    expert: Expert,
    rest_s: float,
    until_s: float,
) -> str:
    """One script to its end and a rest, or so far [s]; why it gave up, if it did."""
    began_ns, over_ns = rig.now_ns, 0
    limit_ns = round(rig.scene.verdict.time_limit_s * NS_PER_S)
    while not over_ns or rig.now_ns < over_ns:
        seconds = (rig.now_ns - began_ns) / NS_PER_S
        target = expert.act(rig.scene.scene_state, seconds)
        if not expert.finished and seconds >= until_s:
            return ""
        if not over_ns and (expert.finished or rig.now_ns - began_ns > limit_ns):
            over_ns = rig.now_ns + max(1, round(rest_s * NS_PER_S))
        _step(rig, streams, cameras, target)
        if not rig.controller.enabled:
            return "motion ended"
        _keep_pace(recorder, rig)
    return expert.trouble or ("" if expert.finished else "the time limit was reached")


def _step(
    rig: Rig,
    streams: Streams,
    cameras: Grid,
    target: Float | None = None,
    pictures: dict | None = None,
) -> None:
    """One control period, and everything that is published in it."""
    now_ns = rig.now_ns
    streams.measured()
    if cameras.is_instant(now_ns):
        streams.pictures(pictures or rig.scene.see())
    if target is not None:
        streams.target(target)
    streams.decided(rig.tick(target), now_ns)


def _keep_pace(recorder: Recorder, rig: Rig) -> None:
    """Looks at the streams twice a second of virtual time; waits where the disk is behind."""
    period_ns = rig.period_ns * _LOOK_TICKS
    if rig.now_ns // period_ns == (rig.now_ns - rig.period_ns) // period_ns:
        return
    while True:
        look = recorder.look(rig.now_ns)
        if look.must_end:
            raise BagError(look.must_end)
        if look.progress is None or look.progress.queued < _FULL:
            return
        time.sleep(0.01)


def _recorder(robot: str, store: EpisodeStore) -> Recorder:
    layout = embodiments.get(robot)
    settings = RecorderSettings(disk_start_bytes=2 << 30, disk_stop_bytes=1 << 30)
    return Recorder(layout, streams_of(layout), _definitions(robot), store, settings)


@lru_cache(maxsize=8)
def _definitions(robot: str) -> dict[str, Definition]:
    """By type, of everything that is recorded of a robot."""
    types = {COMPRESSED, *(stream.msgtype for stream in streams_of(embodiments.get(robot)))}
    return {name: define(name, _text) for name in sorted(types)}


def _text(msgtype: str) -> str:
    package_prefix(msgtype.split("/")[0])  # finds it also where no workspace was sourced
    return message_text(msgtype)


def _sources(robot: str) -> dict[str, Source]:
    streams = streams_of(embodiments.get(robot))
    return {stream.name: Source(f"/{stream.name}", (Qos(10),)) for stream in streams}
