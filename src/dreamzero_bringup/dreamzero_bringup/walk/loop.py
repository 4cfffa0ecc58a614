"""The walk: one joint after the other, asked, moved, judged, until all are done or one is wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from dreamzero_bringup.asking.confirm import confirm
from dreamzero_bringup.asking.dialogue import QUIT, SKIP, YES, Operator
from dreamzero_bringup.asking.remedies import REMEDIES
from dreamzero_bringup.doctor.examination import Gathered
from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.operator_client import OperatorClient, spinning
from dreamzero_bringup.walk import seen, views
from dreamzero_bringup.walk.guard import Guard
from dreamzero_bringup.walk.judge import Verdict, judge
from dreamzero_bringup.walk.plan import Move, move, plan, side
from dreamzero_bringup.walk.step import Gate, Taken
from dreamzero_bringup.walk.walked import Walked
from dreamzero_bringup.walk.wire import Wire
from dreamzero_policy.control.limits import Limits
from dreamzero_policy.embodiments.embodiment import BASE_AXES

_START = {"y": YES, "s": SKIP, "q": QUIT}
_SKIP_FIRST = {"s": SKIP, "y": YES, "q": QUIT}
_SAW = {"y": YES, "n": "no"}
_INSTEAD = {"a": "other arm", "j": "other joint", "d": "other direction", "n": "nothing"}


class Walk:
    """Walks through a robot's joints.

    Args:
        gathered: the doctor's examination, which must not have failed.
        operator: who is asked.
        only: joints to move; all where it is empty.
        driver: package whose README has the checklist; nothing where there is none.
        folder: for what was confirmed.
    """

    def __init__(
        self,
        gathered: Gathered,
        operator: Operator,
        *,
        only: tuple[str, ...] = (),
        driver: str = "",
        folder: Path,
    ) -> None:
        self._robot, self._expected = gathered.robot, gathered.expected
        self._operator, self._driver, self._folder = operator, driver, folder
        for name in only:
            self._robot.joint(name)
        self._only = only or self._robot.action_joints
        self._limits = limits_of(gathered)
        self._hands = views.hand_views(self._robot)
        self._changes: dict[str, dict[str, float]] = {}
        self.result = Walked(
            self._robot, gathered.expected.simulated, gathered.live.domain_id
        )  # fmt: skip

    def run(self) -> Walked:
        """Walks; motion is disabled when this returns, Ctrl-C included.

        Raises:
            ValueError: no controller is there, or it is not ready.
        """
        result = self.result
        try:
            found = result.sections["first power-on"]
            result.ended = confirm(
                self._driver, self._folder, self._operator, result.simulated, found
            )
            if not result.ended:
                with self._gate() as gate:
                    try:
                        self._joints(gate)
                    finally:
                        result.disabled = gate.disabled
        except KeyboardInterrupt:
            result.ended = "interrupted by Ctrl-C"
            fix = REMEDIES["interrupted"]
            result.sections["motion"].append(warned("walk", "interrupted by Ctrl-C", fix=fix))
        if not result.disabled:
            result.sections["motion"].append(
                failed("motion", "not_disabled", fix=REMEDIES["not_disabled"])
            )
        self._cameras()
        self._rest()
        return result

    @contextmanager
    def _gate(self) -> Iterator[Gate]:
        """Topics, services and guard."""
        domain_id = self.result.domain_id
        with spinning(f"dreamzero_walk_{os.getpid()}", domain_id) as node:
            wire, guard = Wire(node, self._expected), Guard(domain_id)
            try:
                wire.look(tuple(view.name for view in self._robot.views) if self._hands else ())
                _until(lambda: wire.silent() is None and wire.controller is not None)
                yield Gate(self._robot, wire, OperatorClient(node), guard, self._operator.say)
            finally:
                wire.leave()
                with suppress(KeyboardInterrupt):
                    guard.close()

    # The joints

    def _joints(self, gate: Gate) -> None:
        """Every joint in turn, until one is wrong or the operator ends it."""
        if gate.unready() is not None:
            self._joint(gate, self._only[0], "")
            return
        planned, say = plan(self._robot, self._limits, gate.pose()), self._operator.say
        seconds = sum(m.duration + 4.0 for n, m in planned.items() if self._moves(n, m))
        count = sum(self._moves(name, planned[name]) for name in self._only)
        say(
            f"\n{count} joints of {self._robot.name}, one at a time, {_duration(seconds)} of "
            "motion in all. Left, right, ahead and back are yours when you stand behind the robot "
            "and look where it looks. Motion is enabled only while a joint moves. Ctrl-C stops at "
            "any time; keep the emergency stop in your hand."
        )
        for index, name in enumerate(self._only, start=1):
            if self.result.ended:
                return
            self._joint(gate, name, f"[{index}/{len(self._only)}]")

    def _moves(self, name: str, planned: Move | str) -> bool:
        return name in self._only and not isinstance(planned, str)

    def _joint(self, gate: Gate, name: str, where: str) -> None:
        """One joint, from the question to its verdict."""
        found, say = self.result.sections["motion"], self._operator.say
        if (trouble := gate.unready()) is not None:
            self._end(name, _refused(name, trouble))
            return
        column, pose = self._robot.action_joints.index(name), gate.pose()
        meant = move(self._robot.joint(name), self._limits, column, float(pose[column]))
        if isinstance(meant, str):
            say(f"\n{where} {name}: not moved, {meant}")
            fix = "move that joint away from the end of its travel, and walk again"
            found.append(warned(name, f"not moved: {meant}", fix=fix))
            return
        words = seen.motion(self._robot, pose, name, meant.amount)
        say(f"\n{where} {describe(meant, words)}")
        base = meant.joint.kind == "base"
        if base:
            say("  THE ROBOT WILL ROLL. It needs half a metre of free floor on every side.")
        answer = self._operator.ask(
            "Move it?", _SKIP_FIRST if base and self._operator.watches else _START
        )
        if answer == QUIT:
            self.result.ended = "ended by the operator"
        elif answer == SKIP:
            found.append(skipped(name, "skipped by the operator"))
        else:
            self._make(gate, meant, words)

    def _make(self, gate: Gate, meant: Move, words: str) -> None:
        """Moves, judges, and asks what was seen."""
        name, result = meant.joint.name, self.result
        self._operator.say("  moving ...")
        taken = gate.step(meant)
        if taken.trace is None:
            verdict = _refused(name, taken.trouble)
        else:
            verdict = judge(meant, taken.trace, self._robot.joints)
            result.traces[name] = taken.trace
        result.moves[name] = meant
        if verdict.ok and taken.trouble is None:
            verdict = self._seen_by_camera(meant, taken, verdict)
        if verdict.ok and self._operator.watches:
            verdict = self._seen_by_operator(meant, words, verdict)
        self._end(name, verdict)

    def _end(self, name: str, verdict: Verdict) -> None:
        """Keeps and shows what a joint's motion came to; a fault ends the walk."""
        result, finding = self.result, verdict.finding
        result.verdicts[name] = verdict
        result.sections["motion"].append(finding)
        self._operator.say(f"  {finding.level}: {finding.found}")
        if not verdict.ok:
            self._operator.say(f"  fix: {finding.fix}")
            result.ended = f"{name}: {verdict.name}"

    def _seen_by_operator(self, meant: Move, words: str, verdict: Verdict) -> Verdict:
        """What only eyes can tell."""
        what, name = words or f"{meant.joint.name} moves", meant.joint.name
        answer = self._operator.ask(f"Did you see that: {what}, and back?", _SAW)
        if answer == YES:
            found = verdict.finding
            if found.level == "skip":
                return Verdict("ok", passed(name, "seen by the operator; nothing measures it"))
            more = Finding(found.level, name, f"{found.found}; seen", found.expected, found.fix)
            return Verdict(verdict.name, more, verdict.ratio, verdict.delay_s)
        if answer == QUIT:
            self.result.ended = "nobody answers any more"
            return verdict
        saw = self._operator.ask("What did you see instead?", _INSTEAD)
        fault = "seen_" + ("nothing" if saw == QUIT else saw).replace(" ", "_")
        finding = failed(
            name, f"{fault}: measured as commanded, but seen otherwise", expected=what,
            fix=REMEDIES[fault],
        )  # fmt: skip
        return Verdict(fault, finding, verdict.ratio, verdict.delay_s)

    def _seen_by_camera(self, meant: Move, taken: Taken, verdict: Verdict) -> Verdict:
        """Whether the camera on that hand saw the motion, and not the other hand's."""
        arm, name = side(meant.joint.name), meant.joint.name
        if meant.joint.kind != "revolute" or arm not in self._hands:
            return verdict
        common = taken.before.keys() & taken.far.keys()
        changes = {v: views.difference(taken.before[v], taken.far[v]) for v in common}
        own, others = self._hands[arm], views.others(self._robot, arm)
        saw = views.judge(changes, own, others)
        self._changes.setdefault(arm, {})[name] = 1.0 if saw == "own" else 0.0
        if saw != "other":
            return verdict
        two = len(self._hands) > 1
        fault = "arms_or_cameras_swapped" if two else "cameras_swapped"
        numbers = ", ".join(f"{view} by {change:.1f}" for view, change in sorted(changes.items()))
        words = f"{fault}: {name} moved, but it is not {own} that changed: {numbers} grey levels"
        finding = failed(f"{own} view", words, expected=f"{own} changes most", fix=REMEDIES[fault])
        return Verdict(fault, finding, verdict.ratio, verdict.delay_s)

    # What is said at the end

    def _cameras(self) -> None:
        """One line for the camera of every hand that moved."""
        found = self.result.sections["cameras"]
        for arm, moved in self._changes.items():
            view, clear = self._hands[arm], [name for name, saw in moved.items() if saw]
            if clear:
                found.append(passed(f"{view} view", f"saw {', '.join(clear)} move, most of all"))
            else:
                words = f"nothing clear while {', '.join(moved)} moved"
                found.append(warned(f"{view} view", words, fix=REMEDIES["view_unchanged"]))
        if not self._hands:
            found.append(skipped("cameras", "names do not say which view is on which hand"))

    def _rest(self) -> None:
        """Joints that were never come to."""
        found = self.result.sections["motion"]
        done = {finding.what for finding in found} | set(self.result.verdicts)
        for name in self._only:
            if name not in done:
                found.append(skipped(name, f"not done: {self.result.ended or 'nothing was asked'}"))


def _refused(name: str, trouble: tuple[str, str]) -> Verdict:
    """What is said of a joint that was not moved at all."""
    fault, sentence = trouble
    return Verdict(fault, failed(name, f"{fault}: {sentence}", fix=REMEDIES[fault]))


def describe(meant: Move, words: str) -> str:
    """What will move, by how much, and what that looks like."""
    joint, amount = meant.joint, meant.amount
    sizes = {
        "revolute": f"{np.degrees(amount):+.1f} degrees",
        "prismatic": f"{1e3 * amount:+.0f} mm",
        "gripper": f"{amount:+.0%} of its range",
        "base": f"{100 * amount:+.0f} cm",
    }
    if joint.kind == "base" and BASE_AXES[joint.name][0] == "angular":
        sizes["base"] = sizes["revolute"]
    shown = f": {words}" if words else f" ({'positive' if amount > 0 else 'negative'} direction)"
    return f"{joint.name} by {sizes[joint.kind]} and back, {meant.duration:.0f} s{shown}."


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90.0 else f"{seconds / 60.0:.0f} min"


def limits_of(gathered: Gathered) -> Limits:
    """What the controller keeps, as the configuration here says."""
    limits, settings = Limits.of(gathered.robot), gathered.configuration.settings.get("controller")
    if settings is None:
        return limits
    return limits.tighten(
        settings.joint_limits(), scale=settings.limit_scale, margin=settings.limit_margin
    )


def require_running(gathered: Gathered) -> None:
    """Refuses a graph that cannot be walked through.

    Raises:
        ValueError: there is no controller or no proprioception.
    """
    names = {name.rpartition("/")[2] for name in gathered.live.nodes} if gathered.live else set()
    missing = [name for name in ("controller", "proprioception") if name not in names]
    if missing:
        raise ValueError(
            f"walk: expected a running graph, not there: {', '.join(missing)}; start it first: "
            f"dreamzero up {gathered.robot.name}"
        )


def driver_of(gathered: Gathered) -> str:
    """Package of the driver that the robot's file names; nothing for none or the simulated one."""
    nodes = gathered.configuration.nodes
    return nodes[0].package if nodes and nodes[0].name == "driver" else ""


def _until(done: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for the first messages.

    Raises:
        ValueError: they do not come.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise ValueError(
                "walk: expected a controller's status and measured joints, none came: "
                "dreamzero up ... starts them"
            )
        time.sleep(0.05)
