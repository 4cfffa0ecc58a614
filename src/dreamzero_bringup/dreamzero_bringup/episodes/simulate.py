"""An episode's commands on the simulated robot, in virtual time and through the controller's gate.

Each recorded command is a human's target to the same ``Controller`` that runs beside a robot, at
the time at which it was sent, and what passes its limits moves the physics. Before, the robot goes
slowly to where the recording begins. The objects on the table are the scene's, not the recording's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.table import Table

from dreamzero_bringup.demo.report import unit
from dreamzero_bringup.shadow.score import look_up
from dreamzero_bringup.teleop.follow import Follower
from dreamzero_bringup.virtual.rig import Rig
from dreamzero_policy.control.report import Mode
from dreamzero_policy.control.teleop import DELAY_S
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.types import NS_PER_S, Float

_JOIN_S, _SETTLE_S, _AFTER_S = 40.0, 0.5, 0.5
_NEAR = 0.02


@dataclass
class Replayed:
    """What the simulated robot did.

    Attributes:
        embodiment: of the robot.
        seconds: [N] since the recording's first row.
        recorded, simulated: [N, S] measured joints of both, the simulated ones brought forward by
            the gate's own delay; NaN where nothing is known.
        limited: ticks by joint in which a limit held it back.
        held: ticks by reason in which the controller held instead.
        joined_s: how long it took to the recording's first pose [s].
        verdict: of the scene's task; empty without one.
    """

    embodiment: Embodiment
    seconds: Float
    recorded: Float
    simulated: Float
    limited: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    joined_s: float = 0.0
    verdict: str = ""

    @property
    def errors(self) -> Float:
        """[S] root mean square of the difference."""
        return np.sqrt(np.nanmean((self.simulated - self.recorded) ** 2, axis=0))


def replay(episode: Episode, *, task: str, seed: int, tell: Callable[[int, int], None]) -> Replayed:
    """Replays an episode's commands.

    Args:
        episode: with commands and joints.
        task: of the scene; empty for none.
        seed: of the scene.
        tell: told how many rows of how many were commanded.

    Raises:
        ValueError: the episode cannot be used, there is no such robot or task, or the robot did not
            get to where the recording begins.
    """
    robot = episode.embodiment
    rows = resample(episode, ConversionSettings(robot=episode.robot, instruction="none"))
    known = np.flatnonzero(np.isfinite(rows.actions).all(axis=1))
    if not len(known):
        raise BagError(f"{episode.folder}: expected commands, got none that is fresh")
    rig = Rig(episode.robot, task, seed)
    joined_ns = _join(rig, rows.actions[known[0]])
    began_ns, first_ns = rig.now_ns, int(rows.instants_ns[0])
    limited, held = Counter[str](), Counter[str]()
    stamps, states = [], []
    stepped = np.array([joint.kind in ("gripper", "base") for joint in robot.joints])
    end_ns = int(rows.instants_ns[-1]) - first_ns + round(_AFTER_S * NS_PER_S)
    target = rows.actions[known[0]]
    while (at_ns := rig.now_ns - began_ns) <= end_ns:
        instant = np.array([min(first_ns + at_ns, int(rows.instants_ns[-1]))])
        asked = look_up(rows.instants_ns[known], rows.actions[known], instant, stepped)[0]
        target = np.where(np.isfinite(asked), asked, target)  # in a gap the last one stays
        tick = rig.tick(target)
        stamps.append(rig.now_ns - began_ns + first_ns)
        states.append(rig.state)
        limited.update(tick.limited)
        if tick.mode != Mode.ACTIVE:
            held[f"{tick.hold_reason}: {tick.message}"] += 1
        tell(len(stamps), end_ns // rig.period_ns)
    verdict = rig.scene.verdict if rig.scene.judge else None
    return Replayed(
        robot,
        (rows.instants_ns - first_ns) / NS_PER_S,
        rows.states,
        _at_rows(rig, rows, np.array(stamps), np.array(states)),
        limited,
        held,
        joined_ns / NS_PER_S,
        _said(verdict) if verdict else "",
    )


def _said(verdict: object) -> str:
    return f"{'done' if verdict.success else 'not done'}, progress {verdict.progress:.2f}"


def _join(rig: Rig, first: Float) -> int:
    """Enables motion and goes slowly to a pose; how long that took.

    Raises:
        ValueError: motion is refused, or the pose is not reached.
    """
    follower, began_ns = Follower(rig.robot), rig.now_ns
    rig.enable()
    follower.begin(rig.pose)
    wanted = dict(enumerate(first))
    span = np.array([joint.upper - joint.lower for joint in rig.robot.joints])
    measured = [rig.robot.action_joints.index(name) for name in rig.robot.state_joints]
    near_ns = 0
    while rig.now_ns - began_ns < _JOIN_S * NS_PER_S:
        tick = rig.tick(follower.step(wanted, rig.pose, rig.period_ns / NS_PER_S))
        away = np.abs(rig.pose - first) / span
        there = follower.joined and bool((away[measured] < _NEAR).all())
        near_ns = near_ns + rig.period_ns if there else 0
        if follower.joined and near_ns > _SETTLE_S * NS_PER_S:
            return rig.now_ns - began_ns
    worst = rig.robot.action_joints[int(np.argmax(np.where(np.isin(range(len(span)), measured),
                                                           away, 0.0)))]  # fmt: skip
    raise BagError(
        f"the simulated robot did not get to where the recording begins within {_JOIN_S:g} s: "
        f"{worst} is {away.max():.0%} of its range away; {tick.message}"
    )


def _at_rows(rig: Rig, rows: Rows, stamps: np.ndarray, states: Float) -> Float:
    """The simulated joints at the rows' instants, brought forward by the gate's delay."""
    delay_ns = round(DELAY_S * NS_PER_S) + rig.period_ns
    stepped = np.zeros(states.shape[1], dtype=bool)
    return look_up(stamps, states, rows.instants_ns + delay_ns, stepped)


def run(
    folder: Path,
    out: Path,
    say: Callable[[object], None],
    robots: Path | None = None,
    *,
    task: str,
    seed: int,
) -> int:
    """Replays an episode, writes ``<name>_simulated.png`` and says how near it came.

    Raises:
        ValueError: as ``replay``.
    """
    from dreamzero_policy.episodes import terminal

    with Episode(folder, robots) as episode, terminal.progress("replaying", 1) as bar:
        done = replay(
            episode,
            task=task,
            seed=seed,
            tell=lambda at, total: bar.update(0, completed=at, total=total),
        )
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{folder.name}_simulated.png"
    _draw(done, folder.name, path)
    shown = Table(title=f"{folder.name} on the simulated robot", title_justify="left")
    for name in ("joint", "unit", "moved", "error, rms", "largest", "ticks limited"):
        shown.add_column(name, justify="left" if name == "joint" else "right")
    difference = np.abs(done.simulated - done.recorded)
    for column, name in enumerate(done.embodiment.state_joints):
        shown.add_row(
            name,
            unit(done.embodiment.joint(name).kind),
            f"{np.nanmax(done.recorded[:, column]) - np.nanmin(done.recorded[:, column]):.3f}",
            f"{done.errors[column]:.4f}",
            f"{np.nanmax(difference[:, column]):.4f}",
            str(done.limited[name] or ""),
        )
    say(shown)
    say(f"it took {done.joined_s:.1f} s to where the recording begins; {done.seconds[-1]:.1f} s "
        "replayed in virtual time, through the controller's limits")  # fmt: skip
    for reason, ticks in done.held.most_common(3):
        say(f"held for {ticks} ticks: {reason}")
    if done.verdict:
        say(f"task: {done.verdict}")
    say(str(path))
    return int(bool(done.held))


def _draw(done: Replayed, name: str, path: Path) -> None:
    """A panel per joint: recorded and simulated."""
    names = done.embodiment.state_joints
    across = 2 if len(names) > 4 else 1
    down = -(-len(names) // across)
    figure = Figure(figsize=(8 * across, 1.5 * down + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, sharex=True, squeeze=False)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for column, (axis, joint) in enumerate(zip(axes.flat, names, strict=False)):
        axis.plot(done.seconds, done.recorded[:, column], color="0.75", lw=3.5, label="recorded")
        axis.plot(
            done.seconds, done.simulated[:, column], color="#c2571a", lw=1.2, label="simulated"
        )
        kind = done.embodiment.joint(joint).kind
        axis.set_ylabel(f"{joint}\n[{unit(kind)}]", fontsize=8)
        axis.grid(True, lw=0.3)
    axes[0, 0].legend(loc="upper right", fontsize=8, frameon=False)
    for axis in axes[-1]:
        axis.set_xlabel("seconds")
    figure.suptitle(f"{name}: its commands on the simulated robot, through the controller's gate")
    figure.savefig(path, dpi=90, metadata={"Software": None})
