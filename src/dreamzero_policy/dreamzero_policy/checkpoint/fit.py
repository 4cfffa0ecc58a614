"""Whether a checkpoint and a robot speak of the same joints, cameras, units and times.

Weights load into a robot with other joints, another gripper scale or another chunk length without a
word, and then move it wrongly. So everything that both sides state is compared, and all that
differs is named at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dreamzero_policy.checkpoint.robot_facts import RobotFacts
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.normalize import Statistics
from dreamzero_policy.weights.errors import CheckpointError

_DIFFERENCE = re.compile(
    r"(?P<what>.*?): expected (?P<ours>.*?)(?: as the robot has| as it was set)?, got (?P<its>.*)",
    re.DOTALL,
)
_MODE = "q99"  # how every robot's vectors are normalised
_CROP = 0.95  # what the tiler keeps of a view
_SLACK = 0.25  # of a joint's range, by which recorded extremes may exceed it
_LEAST_GRIPPER_SPAN = 0.2  # of its range: less is another unit
_HIGHEST_RATE = 1000.0  # Hz
_VIEW_SIDES = (16, 1024)  # pixels of a view in the canvas
_BASE_EXCESS = 15.0
"""How many times faster than our limit a base may have been recorded.

The limit of a base is what a running client allows, not what the base can do; another unit (mm/s,
degrees/s) is further off than this.
"""


def time_base(config: ModelConfig, facts: RobotFacts) -> TimeBase:
    """How a checkpoint divides time.

    Raises:
        CheckpointError: rows do not divide into frames, or the control rate is not said.
    """
    rates = {rate for rate in facts.rates if rate is not None}
    if len(rates) != 1:
        raise CheckpointError(
            f"time base: expected one frame rate for all views of {facts.tag}, got {sorted(rates)}"
        )
    rate, rows, frames = rates.pop(), config.num_action_per_block, config.frames_per_block
    if rate != round(rate) or not 1 <= rate <= _HIGHEST_RATE:
        raise CheckpointError(f"time base: expected a whole control rate in Hz, got {rate}")
    try:
        return TimeBase(round(rate), rows // frames, rows, frames)
    except ValueError as error:
        raise CheckpointError(str(error)) from error


def said(value: TimeBase) -> str:
    """A time base in words."""
    seconds = value.rows_per_chunk / value.control_hz
    return (
        f"{value.rows_per_chunk} rows at {value.control_hz} Hz ({seconds:g} s, a frame every "
        f"{value.frame_stride} rows)"
    )


def view_size(config: ModelConfig, embodiment: Embodiment) -> tuple[int, int]:
    """(height, width) of a view in the canvas with which a model of these sizes is trained.

    A model that takes the canvas as it is leaves no choice. The Wan 2.2 recipe tiles views of the
    size to which it then resizes the canvas; other models that resize take the robot's own.
    """
    if config.target_size is None:
        return _untouched_view(config, embodiment)
    return config.target_size if config.model_type == "ti2v" else embodiment.view_size


def _untouched_view(config: ModelConfig, embodiment: Embodiment) -> tuple[int, int]:
    """(height, width) of a view where the canvas goes into the VAE as it is."""
    tiles = 1 if len(embodiment.views) == 1 else 2
    height, width = (side * config.vae.spatial_stride // tiles for side in config.latent_size)
    return height, width


def fitted(facts: RobotFacts, embodiment: Embodiment, expected: TimeBase) -> Embodiment:
    """A robot as a checkpoint sees it, where that is the checkpoint's to say.

    That is the size of a view in the canvas, how time is divided, and whether some columns are one
    key or one key each.

    Args:
        facts: what the checkpoint says of the robot.
        embodiment: the robot.
        expected: the time base to run with.
    """
    split = all(
        part in {key.name for key in told}
        for told, ours in (
            (facts.state_keys, embodiment.state_keys),
            (facts.action_keys, embodiment.action_keys),
        )
        for key in ours
        for part in key.parts
    )
    return replace(
        embodiment,
        time_base=expected,
        view_size=facts.view_size or embodiment.view_size,
        state_keys=_split(embodiment.state_keys) if split else embodiment.state_keys,
        action_keys=_split(embodiment.action_keys) if split else embodiment.action_keys,
    )


def _split(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Keys with every key that has parts in its parts."""
    return tuple(
        part
        for key in keys
        for part in ([Key(name, 1, relative=key.relative) for name in key.parts] or [key])
    )


def mismatches(
    config: ModelConfig,
    facts: RobotFacts,
    embodiment: Embodiment,
    expected: TimeBase | None = None,
) -> list[str]:
    """Everything in which a checkpoint differs from a robot, one sentence each; empty if it fits.

    What ``fitted`` takes over from the checkpoint is no difference.

    Args:
        config: the checkpoint's model.
        facts: what it says of the robot.
        embodiment: the robot.
        expected: the time base to run with; None: the checkpoint's, whatever it is.
    """
    found: list[str] = []
    embodiment = fitted(facts, embodiment, embodiment.time_base)

    def compare(what: str, robot: object, checkpoint: object) -> None:
        if robot != checkpoint:
            found.append(f"{what}: expected {robot} as the robot has, got {checkpoint}")

    compare("embodiment tag", embodiment.tag, facts.tag)
    compare("view order", _named(v.key for v in embodiment.views), _named(facts.views))
    compare("state keys", _keys(embodiment.state_keys), _keys(facts.state_keys))
    compare("action keys", _keys(embodiment.action_keys), _keys(facts.action_keys))
    compare(
        "relative action keys",
        _named(key.name for key in embodiment.action_keys if key.relative),
        _named(key.name for key in facts.action_keys if key.relative),
    )
    for size in sorted({size for size in facts.native_sizes if size is not None}):
        compare("recorded view (height, width)", embodiment.native_size, size)
    compare("crop", _CROP, facts.crop)
    found += _views(config, facts, embodiment)
    found += _modes(facts)
    found += _times(config, facts, expected)
    for what, width, most in (
        ("state", len(embodiment.state_joints), config.max_state_dim),
        ("action", len(embodiment.joints), config.max_action_dim),
    ):
        if width > most:
            found.append(f"{what} width: the robot has {width}, the model takes at most {most}")
    states = [embodiment.joint(name) for name in embodiment.state_joints]
    found += _units("state", facts.state_keys, facts.state_statistics, states)
    found += _units("action", facts.action_keys, facts.action_statistics, embodiment.joints)
    return found


def sides(difference: str) -> tuple[str, str, str] | None:
    """What differs, the robot's and the checkpoint's, of a sentence of ``mismatches``.

    Returns:
        None for a sentence that has no two sides, as of a checkpoint that contradicts itself.
    """
    found = _DIFFERENCE.fullmatch(difference)
    return found and found.group("what", "ours", "its")


def side_by_side(differences: Sequence[str]) -> str:
    """Sentences of ``mismatches`` for people: the robot's side right above the checkpoint's."""
    lines: list[str] = []
    for difference in differences:
        parts = sides(difference)
        if parts is None:
            lines.append(f"  {difference}")
        else:
            what, ours, its = parts
            lines += [f"  {what}:", f"    robot       {ours}", f"    checkpoint  {its}"]
    return "\n".join(lines)


def _named(names: Iterator[str] | tuple[str, ...]) -> str:
    """Names for a message."""
    return "[" + ", ".join(names) + "]"


def _keys(keys: tuple[Key, ...]) -> str:
    """Keys and their widths for a message."""
    return _named(tuple(f"{key.name} {key.width}" for key in keys))


def _views(config: ModelConfig, facts: RobotFacts, embodiment: Embodiment) -> Iterator[str]:
    """A view in the canvas that gives no picture, or one that the model cannot take."""
    size, (least, most) = facts.view_size, _VIEW_SIDES
    if config.target_size is None:
        needed = _untouched_view(config, embodiment)
        if size != needed:
            yield (
                f"view in the canvas (height, width): expected {needed} for latents of "
                f"{config.latent_size}, got {size}"
            )
    elif size is None or not all(least <= side <= most for side in size):
        yield (
            f"view in the canvas (height, width): expected {least} to {most} pixels a side, "
            f"got {size}"
        )


def _modes(facts: RobotFacts) -> Iterator[str]:
    """Keys that are normalised in another way."""
    for kind, keys in (("state", facts.state_keys), ("action", facts.action_keys)):
        for key in keys:
            mode = facts.modes.get(f"{kind}.{key.name}")
            if mode != _MODE:
                yield f"normalisation of {kind}.{key.name}: expected {_MODE}, got {mode}"


def _times(config: ModelConfig, facts: RobotFacts, expected: TimeBase | None) -> Iterator[str]:
    """Contradictions in chunk length and control rate, and a time base that was not asked for."""
    rows = config.num_action_per_block
    if facts.action_rows not in (None, rows):
        yield (
            f"chunk length: the model has {rows} rows, the data were cut in {facts.action_rows}; "
            "the checkpoint contradicts itself"
        )
    for name, statistics in facts.action_statistics.items():
        if statistics.q01.ndim == 2 and len(statistics.q01) != rows:
            yield (
                f"chunk length: the model has {rows} rows, action.{name} has statistics for "
                f"{len(statistics.q01)}"
            )
    try:
        told = time_base(config, facts)
    except CheckpointError as error:
        yield str(error)
        return
    if expected not in (None, told):
        yield (
            f"chunk length: expected {said(expected)} as it was set, got {said(told)}; what is not "
            "set is the checkpoint's: policy.chunk_rows is 0 then"
        )


def _units(
    kind: str,
    keys: tuple[Key, ...],
    statistics: Mapping[str, Statistics],
    joints: tuple[Joint, ...] | list[Joint],
) -> Iterator[str]:
    """Joints whose recorded range is not one of their unit: degrees, millimetres, inverted scales.

    A gripper in another scale is the usual case; its recorded span must also fill a part of its
    range, or be zero where it never moved.
    """
    if sum(key.width for key in keys) != len(joints):
        return  # named already as different keys
    columns = iter(joints)
    for key in keys:
        found = statistics[key.name]
        lows, highs = (np.atleast_2d(rows) for rows in (found.q01, found.q99))
        for low, high in zip(lows.min(axis=0), highs.max(axis=0), strict=True):
            joint = next(columns)
            reach = joint.upper - joint.lower
            lower, upper = (-reach, reach) if key.relative else (joint.lower, joint.upper)
            if joint.kind == "base":
                lower, upper = _BASE_EXCESS * lower, _BASE_EXCESS * upper
            slack = _SLACK * reach
            small = joint.kind == "gripper" and not key.relative
            if low < lower - slack or high > upper + slack:
                problem = f"expected about [{lower:g}, {upper:g}]"
            elif small and 0 < high - low < _LEAST_GRIPPER_SPAN * reach:
                problem = f"expected to fill a part of [{lower:g}, {upper:g}]"
            else:
                continue
            scale = "gripper scale" if joint.kind == "gripper" else "unit"
            yield (
                f"{scale} of {kind}.{key.name} ({joint.name}): {problem} as the robot has, got "
                f"[{low:g}, {high:g}] in its statistics"
            )
