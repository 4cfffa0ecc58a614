"""What commands that reached the driver say: limits kept, when a hold began, whether it stands.

Times are ns of the system clock. Positions are in model units, [N, A] for N commands in the order
of the limits' joints. A controller promises limits per tick, so differences are taken over the
nominal period, whenever the commands arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dreamzero_policy.control.limits import Limits
from dreamzero_policy.profiles.braking import brake
from dreamzero_policy.types import NS_PER_S, Float

ROUNDING = 1e-9
"""What two commands of the same pose may differ by through unit conversions [rad or m]."""

SLOW = 0.8
"""A command whose speed is below this share of the speed before the fault belongs to a hold."""

_ORDERS = ("velocity", "acceleration", "jerk")


@dataclass(frozen=True)
class Command:
    """One command as the driver's end got it.

    Attributes:
        received_ns: when the middleware had it, before any Python ran.
        stamp_ns: its header stamp, on the controller's clock.
        number: how many its publisher had sent, this one included; a gap is a lost message.
        session: its frame_id: the driver session that it is meant for.
        positions: [A] model units.
    """

    received_ns: int
    stamp_ns: int
    number: int
    session: str
    positions: Float


@dataclass(frozen=True)
class Stretch:
    """Commands of one publisher without a lost one between them.

    Attributes:
        from_rest: the first command began a motion, so the robot stood there before.
        commands: in order.
    """

    from_rest: bool
    commands: tuple[Command, ...]


def stretches(commands: Iterable[Command], enabled_ns: Sequence[int]) -> list[Stretch]:
    """Splits commands where one was lost, a publisher came up, or motion was enabled anew.

    Args:
        commands: in the order of arrival.
        enabled_ns: when motion was enabled; the next command after each starts from rest.
    """
    starts, split = sorted(enabled_ns), []
    for command in commands:
        anew = bool(starts) and command.received_ns >= starts[0]
        while starts and command.received_ns >= starts[0]:
            starts.pop(0)
        follows = split and command.number == split[-1][1][-1].number + 1
        if not follows or anew:
            split.append((anew or command.number == 1, []))
        split[-1][1].append(command)
    return [Stretch(from_rest, tuple(some)) for from_rest, some in split]


@dataclass(frozen=True)
class Usage:
    """How much of the limits some commands used.

    Attributes:
        shares: largest share of velocity, acceleration and jerk by name; 1 is the limit.
        fastest: which joint used most of its velocity limit, and when [ns].
        violations: a sentence for each joint and limit that was broken.
        commands: how many were looked at.
    """

    shares: dict[str, float]
    fastest: tuple[str, int]
    violations: tuple[str, ...]
    commands: int


def usage(parts: Iterable[Stretch], limits: Limits, period_s: float) -> Usage:
    """Compares positions and their differences with the limits.

    Args:
        parts: as ``stretches`` made them.
        limits: of the joints in the commands' order.
        period_s: nominal control period.
    """
    shares, broken, count = dict.fromkeys(_ORDERS, 0.0), [], 0
    fastest = ("", 0)
    for part in parts:
        positions = np.array([command.positions for command in part.commands])
        count += len(positions)
        for row, column in np.argwhere(~np.isfinite(positions))[:1]:
            broken.append(f"{limits.names[column]} is {positions[row, column]}")
        lower, upper = _range(positions, limits, part.from_rest)
        out = np.maximum(lower - positions, positions - upper) > ROUNDING
        for column in np.flatnonzero(out.any(axis=0)):
            row = int(np.argmax(out[:, column]))
            broken.append(
                f"{limits.names[column]} is {positions[row, column]:.6f}, outside "
                f"[{limits.lower[column]}, {limits.upper[column]}]"
            )
        broken += _too_fast_at_the_ends(positions, limits, period_s)
        if part.from_rest:
            positions = np.vstack((np.repeat(positions[:1], 3, axis=0), positions))
        differences, rounding = positions, ROUNDING
        for name in _ORDERS:
            differences = np.diff(differences, axis=0) / period_s
            rounding *= 2.0 / period_s
            if not len(differences):
                break
            most = getattr(limits, name)
            worst = np.nanmax(np.abs(differences), axis=0)
            share = float(np.max(worst / most))
            if name == "velocity" and share > shares[name]:
                row, column = divmod(int(np.nanargmax(np.abs(differences) / most)), len(most))
                begun = 3 if part.from_rest else 0
                instant = part.commands[max(row + 1 - begun, 0)].received_ns
                fastest = (limits.names[column], instant)
            shares[name] = max(shares[name], share)
            for column in np.flatnonzero(worst > most + rounding):
                broken.append(
                    f"{name} of {limits.names[column]} is {worst[column]:.4f}, "
                    f"at most {most[column]}"
                )
    return Usage(shares, fastest, tuple(broken), count)


def _range(positions: Float, limits: Limits, from_rest: bool) -> tuple[Float, Float]:
    """[N, A] least and greatest position of every command.

    A motion begins where the robot was found, which may be a little outside: from there a joint may
    go inwards only.
    """
    lower = np.broadcast_to(limits.lower, positions.shape)
    upper = np.broadcast_to(limits.upper, positions.shape)
    if not from_rest:
        return lower, upper
    before = np.vstack((positions[:1], positions[:-1]))
    return np.minimum(lower, before), np.maximum(upper, before)


def _too_fast_at_the_ends(positions: Float, limits: Limits, period_s: float) -> list[str]:
    """Where a joint that must slow down towards its ends did not, by the robot's own formula."""
    broken = []
    for column, slowdown in enumerate(limits.slowdowns):
        if slowdown is None or len(positions) < 2:
            continue
        at, speed = positions[1:, column], np.diff(positions[:, column]) / period_s
        room = np.where(speed > 0.0, slowdown.upper_end - at, at - slowdown.lower_end)
        most = np.sqrt(2.0 * slowdown.acceleration * np.maximum(room, 0.0)) - slowdown.offset
        over = np.abs(speed) - np.maximum(most, 0.0)
        if over.max() > 2.0 * ROUNDING / period_s:
            row = int(np.argmax(over))
            broken.append(
                f"velocity of {limits.names[column]} is {abs(speed[row]):.4f} at {at[row]:.4f}, "
                f"at most {max(most[row], 0.0):.4f} there"
            )
    return broken


def speeds(commands: Sequence[Command], period_s: float) -> Float:
    """[N] largest joint speed that each command asks for, nan where the one before is not known."""
    if not commands:
        return np.zeros(0)
    positions = np.array([command.positions for command in commands])
    numbers = np.array([command.number for command in commands])
    speed = np.full(len(commands), np.nan)
    steps = np.abs(np.diff(positions, axis=0)).max(axis=1) / period_s
    speed[1:] = np.where(np.diff(numbers) == 1, steps, np.nan)
    return speed


@dataclass(frozen=True)
class Hold:
    """How a motion ended.

    Attributes:
        began_ns: arrival of the first command of the hold.
        rested_ns: arrival of the first command of the pose that is kept.
    """

    began_ns: int
    rested_ns: int


def hold(
    commands: Sequence[Command],
    since_ns: int,
    until_ns: int,
    cruise: float | None,
    period_s: float,
) -> Hold | None:
    """The hold that commands end in, None where they end in motion.

    Args:
        commands: in the order of arrival, some from before the fault included.
        since_ns: the fault.
        until_ns: up to when was listened. Where commands end well before, with a slower one, that
            was the last of a brake: what is disarmed at rest says no more.
        cruise: steady speed before it, per s; None for a motion of any kind, whose hold is the
            last stretch in which its speed only shrinks.
        period_s: nominal control period.
    """
    speed = speeds(commands, period_s)
    steps = np.flatnonzero(~(speed <= 2.0 * ROUNDING / period_s))
    rest = int(steps[-1]) + 1 if len(steps) else 0
    if rest >= len(commands):
        ended = len(commands) > 1 and until_ns - commands[-1].received_ns > 4e9 * period_s
        before = speed[-2] if cruise is None else cruise
        if not ended or not speed[-1] < SLOW * before:
            return None
        rest = len(commands) - 1
    if cruise is None:
        begin = rest
        while begin > 1 and speed[begin - 1] > speed[begin]:
            begin -= 1
        begin = min(begin + 1, rest)
    else:
        moves = np.flatnonzero(~(speed < SLOW * cruise))
        begin = int(moves[-1]) + 1 if len(moves) else 0
    while begin < len(commands) and commands[begin].received_ns < since_ns:
        begin += 1
    if begin >= len(commands):
        return Hold(since_ns, since_ns)  # it was over before
    return Hold(commands[begin].received_ns, commands[max(begin, rest)].received_ns)


def braking_s(limits: Limits, speed: float, period_s: float) -> float:
    """The longest time that commands may need from the first of a brake to rest.

    Args:
        limits: of the joints.
        speed: of the fastest joint before, per s.
        period_s: nominal control period; the brake begins at one command and ends at another.
    """
    velocity = np.minimum(speed, limits.velocity)
    nothing = np.zeros_like(velocity)
    profile = brake(nothing, velocity, nothing, limits.acceleration, limits.jerk)
    return float(np.max(profile.first + profile.second + profile.third)) + 2.0 * period_s


def seconds(ns: int) -> float:
    """Seconds in a number of ns."""
    return ns / NS_PER_S
