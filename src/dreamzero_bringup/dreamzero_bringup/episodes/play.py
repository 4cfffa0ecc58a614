"""An episode before a policy, open loop: what it would have done, beside what was done.

Canvases, states and windows are made by the functions of the live nodes, on their grid, and go into
the engine as the policy node hands them over. Nothing is commanded and the recording goes on
whatever the policy says, so errors do not add up as they would in the closed loop.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.table import Table

from dreamzero_bringup.shadow import pictures
from dreamzero_bringup.shadow.log import ShadowRun
from dreamzero_bringup.shadow.report import summarise, table
from dreamzero_bringup.shadow.score import score
from dreamzero_policy.conversion.part_picture import canvas_at
from dreamzero_policy.conversion.resample import resample
from dreamzero_policy.conversion.rows import Rows
from dreamzero_policy.conversion.settings import ConversionSettings
from dreamzero_policy.data.bag_reader import Episode
from dreamzero_policy.data.errors import BagError
from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase
from dreamzero_policy.observation.assemble import ObservationWindow
from dreamzero_policy.observation.sync import Grid
from dreamzero_policy.types import Observation

_NO_INSTRUCTION = "do what is to be done"


def observations(
    episode: Episode, rows: Rows, robot: Embodiment, time_base: TimeBase
) -> Iterator[Observation]:
    """The newest window at every canvas of an episode, as a live policy would be offered them.

    Rows with a fault bring no canvas, so that a gap begins a new run of canvases.

    Args:
        episode: the recording.
        rows: its rows.
        robot: as the checkpoint sees it.
        time_base: the checkpoint's.

    Raises:
        BagError: the checkpoint's canvases are not at rows of this robot.
    """
    grid, window = Grid.of_frames(time_base), ObservationWindow(robot, time_base)
    if not Grid(robot.time_base.control_hz).contains(grid):
        raise BagError(
            f"expected canvases at some of {robot.time_base.control_hz} rows a second, "
            f"got {grid.hz} a second"
        )
    for row in np.flatnonzero(rows.usable).tolist():
        instant = int(rows.instants_ns[row])
        if not grid.is_instant(instant):
            continue
        window.add_canvas(instant, canvas_at(episode, robot, rows, row))
        window.add_state(instant, rows.states[row])
        observation = window.observation(rows.instructions[row])
        if observation is not None:
            yield observation


def play(
    episode: Episode,
    *,
    checkpoint: str,
    replan_frames: int,
    evaluations: int | None,
    device_name: str,
    tell: Callable[[int, int], None],
) -> ShadowRun:
    """Every chunk of a policy on an episode, beside what was commanded.

    Args:
        episode: whose robot the checkpoint fits.
        checkpoint: folder or ``random:PRESET``.
        replan_frames: as the policy node's parameter.
        evaluations: timesteps of 16; None for the model's own.
        device_name: where the model runs.
        tell: told how many canvases of about how many were shown.

    Raises:
        ValueError: the episode cannot be used, or the checkpoint does not fit.
    """
    from dreamzero_policy.acceleration import device
    from dreamzero_policy.acceleration.options import EngineOptions
    from dreamzero_policy.checkpoint import load
    from dreamzero_policy.inference.engine import Engine

    robot = episode.embodiment
    settings = ConversionSettings(robot=episode.robot, instruction=_NO_INSTRUCTION)
    rows = resample(episode, settings)
    loaded = load.load(checkpoint, robot, device=device.find(device_name))
    engine = Engine(loaded, loaded.embodiment, EngineOptions(evaluations=evaluations))
    session = engine.new_session(int(rows.instants_ns[0]))
    instruction = next(filter(None, rows.instructions), _NO_INSTRUCTION)
    run = ShadowRun(robot, instruction, engine.description, engine.untrained, complete=True)
    total = int(rows.usable.sum()) // engine.time_base.frame_stride
    shown = enumerate(observations(episode, rows, engine.embodiment, engine.time_base))
    for done, observation in shown:
        tell(done, max(total, done))
        if session.due(observation, replan_frames):
            inference = engine.infer(session, observation)
            run.chunks.append((observation.newest_ns, inference.chunk))
    tell(total, total)
    width = len(robot.joints)
    states = np.full((len(rows), width), np.nan)
    columns = [robot.action_joints.index(name) for name in robot.state_joints]
    states[:, columns] = rows.states
    run.states = rows.instants_ns, states
    run.human = rows.instants_ns, rows.actions
    run.planned = np.zeros(0, dtype=np.int64), np.zeros((0, width))
    return run


def run(
    folder: Path,
    out: Path,
    say: Callable[[object], None],
    robots: Path | None = None,
    **how: object,
) -> int:
    """Plays an episode and writes ``<name>_play.png`` and ``<name>_play.json``.

    Raises:
        ValueError: as ``play``, or there is nothing to compare.
    """
    from dreamzero_policy.episodes import terminal

    with Episode(folder, robots) as episode, terminal.progress("playing", 1) as bar:
        played = play(
            episode, tell=lambda done, total: bar.update(0, completed=done, total=total), **how
        )
    result = score(played)
    out.mkdir(parents=True, exist_ok=True)
    picture, figures = out / f"{folder.name}_play.png", out / f"{folder.name}_play.json"
    title = f"{folder.name}, open loop: {played.instruction!r}; {played.weights}"
    pictures.timeline(played, result, picture, title, who="the recording")
    summary = {"episode": folder.name, "open_loop": True} | summarise(played, result)
    figures.write_text(json.dumps(summary, indent=2) + "\n")
    heads, lines = table(played, result)
    shown = Table(title=title, title_justify="left")
    for name in heads:
        shown.add_column(
            name.replace("human", "recording"), justify="left" if name == "joint" else "right"
        )
    for line in lines:
        shown.add_row(*line)
    say(shown)
    say(
        f"{result.chunks} chunks; errors are root mean squares of rows due so long after their "
        "canvas; hold: of staying where the robot was; skill: the share of that which is gone"
    )
    if played.untrained:
        say("the weights are untrained: these figures say nothing of a policy")
    say(f"{picture}\n{figures}")
    return 0
