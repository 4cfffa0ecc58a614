"""What ``dreamzero demonstrate`` does: many demonstrations, in several processes, resumable."""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import chain, cycle, groupby, islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from dreamzero_bringup.virtual.demonstration import MAKING, Made, Order, is_made, make
from dreamzero_policy import embodiments
from dreamzero_policy.conversion.workers import Workers
from dreamzero_policy.types import NS_PER_S

if TYPE_CHECKING:
    from sim_driver.tasks.split import Scene

_SETTINGS = "demonstrations.json"
_FIRST_NS = 1_735_689_600 * NS_PER_S  # 2025-01-01: the clocks of demonstrations are made up
_APART_NS = 600 * NS_PER_S
_MOST_INSTRUCTIONS = 20

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Wanted:
    """What demonstrations are asked for.

    Attributes:
        robot: name of the embodiment.
        tasks: names; episodes take turns.
        split: which instructions: ``seen``, ``unseen``, ``all``, or ``taught``: the seen ones, and
            things whose sentence is unseen, by other words.
        seed: of the first scene and of the experts' habits.
        picture_size: (height, width) of the pictures.
        camera_hz: pictures a second of each view; 0 for the robot's control rate.
        instructions: in an episode, one after another in the same scene.
        interrupt_s: those before the last give way to the next one at a random instant within so
            long, done or not [s]: who has only seen arms that set out from rest knows where one is
            going by where it is. 0: when they are done.
        distinct: of each task so many scenes, done again and again with other habits of the expert;
            0: every demonstration is of a scene of its own.
        every_choice: whether a scene is demonstrated once for each thing that may be asked for
            first: whoever has seen one picture under four instructions cannot know by the picture
            where to go.

    Raises:
        ValueError: no task, a number below 0, no instruction, or pictures of another aspect ratio
            than the robot's.
    """

    robot: str
    tasks: tuple[str, ...]
    split: str = "taught"
    seed: int = 0
    picture_size: tuple[int, int] = (0, 0)
    camera_hz: int = 0
    instructions: int = 1
    interrupt_s: float = 0.0
    distinct: int = 0
    every_choice: bool = False

    def __post_init__(self) -> None:
        """Fills in what the robot says and checks the rest."""
        robot = embodiments.get(self.robot)
        if not self.tasks:
            raise ValueError("tasks: expected at least one")
        for name in ("seed", "distinct"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if not 1 <= self.instructions <= _MOST_INSTRUCTIONS:
            raise ValueError(
                f"instructions: expected 1 to {_MOST_INSTRUCTIONS}, got {self.instructions}"
            )
        if not (math.isfinite(self.interrupt_s) and self.interrupt_s >= 0.0):
            raise ValueError(f"interrupt_s: expected 0 s or more, got {self.interrupt_s}")
        if self.interrupt_s and self.instructions < 2:
            raise ValueError("interrupt_s: expected at least 2 instructions, got 1")
        object.__setattr__(self, "camera_hz", self.camera_hz or robot.time_base.control_hz)
        size = self.picture_size if any(self.picture_size) else robot.native_size
        object.__setattr__(self, "picture_size", size)
        (height, width), (native_height, native_width) = size, robot.native_size
        if min(size) < 16 or height * native_width != width * native_height:
            raise ValueError(
                f"picture size: expected {native_width}x{native_height} or the same aspect ratio, "
                f"got {width}x{height}"
            )


def orders(wanted: Wanted, episodes: int, out: Path) -> list[Order]:
    """The first so many demonstrations; more episodes begin with the same ones.

    Raises:
        ValueError: an unknown robot, task or split, no episodes, or several instructions for a task
            after which the scene is another.
    """
    from sim_driver import tasks
    from sim_driver.models import robots
    from sim_driver.tasks.split import further, scenes

    if not 1 <= episodes <= 100_000:
        raise ValueError(f"episodes: expected 1 to 100000, got {episodes}")
    robot = robots.get(wanted.robot)
    changed = [n for n in wanted.tasks if not tasks.get(n, robot).leaves_scene]
    if wanted.instructions > 1 and changed:
        raise ValueError(
            f"instructions: {', '.join(changed)} leaves another scene behind, so only one can be "
            f"asked for, got {wanted.instructions}"
        )
    streams = [
        _in_turn(
            scenes(
                robot,
                tasks.get(name, robot),
                wanted.split,
                wanted.seed,
                every_choice=wanted.every_choice,
            ),
            wanted.distinct,
        )
        for name in wanted.tasks
    ]
    in_turn = (scene for turn in zip(*streams, strict=True) for scene in turn)
    return [
        Order(
            robot=wanted.robot,
            task=scene.task,
            seed=scene.seed,
            choice=scene.choice,
            split=wanted.split,
            expert_seed=wanted.seed + number,
            out=out,
            start_ns=_FIRST_NS + number * _APART_NS,
            picture_size=wanted.picture_size,
            camera_hz=wanted.camera_hz,
            further=further(
                robot, tasks.get(scene.task, robot), scene, wanted.split, wanted.instructions - 1
            ),
            interrupt_s=wanted.interrupt_s,
        )
        for number, scene in enumerate(islice(in_turn, episodes))
    ]


def _in_turn(found: Iterator[Scene], distinct: int) -> Iterator[Scene]:
    """All of them, or again and again those of the first ``distinct`` layouts."""
    if not distinct:
        return found
    layouts = (list(group) for _, group in groupby(found, key=attrgetter("seed")))
    return cycle(list(chain.from_iterable(islice(layouts, distinct))))


def demonstrate(
    wanted: Wanted, episodes: int, out: Path, *, workers: int, tell: Tell
) -> tuple[Sequence[Made], int]:
    """Makes what is not there yet.

    Args:
        wanted: what.
        episodes: how many, with those that are there.
        out: folder of the recordings; one that holds other demonstrations is not touched.
        workers: processes.
        tell: told how many are done of how many.

    Returns:
        What was made now, and how many were there already.

    Raises:
        ValueError: as ``orders``; a folder of other demonstrations or of something else, or in
            which another command makes some now; a full disk, where what was made is kept.
    """
    out = out.expanduser().resolve()
    asked = orders(wanted, episodes, out)
    with _claimed(out, wanted):
        missing = [order for order in asked if not is_made(order)]
        there, made = len(asked) - len(missing), []
        tell("episodes", there, len(asked))
        with Workers(workers) as processes:
            for _, one in processes.run(make, missing):
                made.append(one)
                tell("episodes", there + len(made), len(asked))
        with suppress(OSError):  # not empty: a process died over a recording
            (out / MAKING).rmdir()
    return made, there


@contextmanager
def _claimed(out: Path, wanted: Wanted) -> Iterator[None]:
    """The folder, for these demonstrations and to nobody else.

    Raises:
        ValueError: it is for something else, or another command makes demonstrations in it.
    """
    _claim(out, wanted)
    with (out / _SETTINGS).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{out}: another command makes demonstrations in it") from None
        yield


def _claim(out: Path, wanted: Wanted) -> None:
    """Writes down what the folder is for, or checks that it is for this.

    Raises:
        ValueError: it is for something else.
    """
    path = out / _SETTINGS
    plain = json.loads(json.dumps(asdict(wanted)))
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise ValueError(f"{out}: expected a new folder or one of demonstrations, got another")
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plain, indent=2) + "\n")
        return
    try:
        known = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON, got: {error}") from error
    known = {"distinct": 0, "instructions": 1, "interrupt_s": 0.0, "every_choice": False, **known}
    if known != plain:
        differ = ", ".join(
            f"{name} {known.get(name)!r}, now {plain.get(name)!r}"
            for name in sorted({*known, *plain})
            if known.get(name) != plain.get(name)
        )
        raise ValueError(f"{out} has demonstrations with other settings: {differ}")
