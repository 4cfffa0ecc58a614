"""The demo: a graph in simulation, closed loop for a while, ``folder.py`` for the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil

from dreamzero_bringup.console import console, is_alarming, log_files
from dreamzero_bringup.demo import report
from dreamzero_bringup.demo.process_usage import ProcessUsage
from dreamzero_bringup.demo.recording import Recording
from dreamzero_bringup.demo.status_line import LiveStatus, PlainStatus, status_text
from dreamzero_bringup.graph.graph import build, embodiment
from dreamzero_bringup.graph.node_spec import setting
from dreamzero_bringup.graph.options import Options
from dreamzero_bringup.supervisor import Interrupts, NodeExit, Supervisor, report_failure
from dreamzero_policy.types import NS_PER_S

_READY_S, _MOTION_S = 180.0, 30.0
_LOOK_S = 0.05

INSTRUCTION = "pick up the red cube"
"""Where nobody says one, and the scene has no task."""


class NotClosed(Exception):  # noqa: N818  (a verdict, not an error of the program)
    """Why the loop could not even begin, in one sentence."""


class Demo:
    """One run of the demo and the folder it leaves."""

    def __init__(
        self,
        *,
        robot: str,
        seconds: float,
        out: Path,
        instruction: str | None,
        live: bool,
        stream: TextIO,
        config_dir: Path | None = None,
    ) -> None:
        """Checks what the user asked for.

        Args:
            robot: name of the embodiment.
            seconds: of closed loop, counted from the first command.
            out: folder to write to; made if it is not there.
            instruction: for the policy; None for what the scene's task asks for, or
                ``INSTRUCTION`` where it has none.
            live: a line that updates itself, for a terminal; otherwise plain lines.
            stream: where to report.
            config_dir: as of ``Options``.

        Raises:
            ValueError: an unknown robot, a length that makes no sense, a file where the folder
                should be.
        """
        self.embodiment = embodiment(Options(robot, config_dir=config_dir))
        self._config_dir = config_dir
        if not 1 <= seconds <= 3600:
            raise ValueError(f"seconds: expected 1 to 3600, got {seconds:g}")
        if out.exists() and not out.is_dir():
            raise ValueError(f"out: expected a folder, got the file {out}")
        self.seconds, self.out, self.instruction = seconds, out, instruction
        self._live, self._stream = live, stream
        # From the start of the command, interpreter included: what the user waits for.
        started_ns = round(psutil.Process().create_time() * NS_PER_S)
        self.recording = Recording(self.embodiment, started_ns)

    def run(
        self,
        *,
        checkpoint: str | None = None,
        overrides: tuple[str, ...] = (),
        domain_id: int | None = None,
        discovery_range: str | None = None,
    ) -> int:
        """Runs the loop and writes the folder.

        Returns:
            0 if the loop closed, 1 if not, 130 if it was interrupted.

        Raises:
            ValueError: as ``graph.build`` and ``Supervisor``; nothing was started then.
        """
        nodes = build(
            Options(
                self.embodiment.name,
                sim=True,
                checkpoint=checkpoint,
                config_dir=self._config_dir,
                overrides=overrides,
            )
        )
        self.out.mkdir(parents=True, exist_ok=True)
        names = [node.name for node in nodes]
        self._say = console(self._stream, names, colour=self._live)
        keep = log_files(self.out / "logs", names)

        def sink(name: str, line: str) -> None:
            keep(name, line)
            if is_alarming(line):
                self._say(name, line)

        supervisor = Supervisor(
            nodes, sink=sink, domain_id=domain_id, discovery_range=discovery_range
        )
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = supervisor.env[
            "ROS_AUTOMATIC_DISCOVERY_RANGE"
        ]
        trouble = None
        with Interrupts() as interrupts, supervisor:
            usage = ProcessUsage({**supervisor.pids, "demo": os.getpid()})
            try:
                self._close_loop(supervisor, interrupts, usage)
            except NotClosed as reason:
                trouble = str(reason)
                self.recording.ended_ns = time.time_ns()
                usage.sample(share=True)
            supervisor.stop(interrupts.second)
        if supervisor.failure is not None:
            report_failure(supervisor.failure, self._say)
        if interrupts.first.is_set():
            trouble = "interrupted by the user"
        verdict = report.checks(self.recording, _death(supervisor.failure))
        if trouble is not None:
            verdict.insert(0, report.Check("the loop was closed to the end", False, trouble))
        from dreamzero_bringup.demo.folder import write_folder  # takes matplotlib a second

        controller = next(node for node in nodes if node.name == "controller")
        period_s = 1 / float(setting(controller, "rate_hz") or 30)
        aims = write_folder(
            self.out, self.recording, self.instruction or "", verdict, usage.result(), period_s
        )
        for goal in aims:
            mark = "goal" if goal.reached else "MISS"
            self._say("dreamzero", f"{mark} {goal.name}: {goal.measured}, at most {goal.most:g}")
        for check in verdict:
            mark = "ok  " if check.holds else "FAIL"
            self._say("dreamzero", f"{mark} {check.name}: {check.detail}")
        if (task := self.recording.task) is not None:
            came = "done" if task.success else f"not done, progress {task.progress:.2f}"
            self._say("dreamzero", f"task {task.task}, {task.instruction!r}: {came}")
        closed = all(check.holds for check in verdict)
        state = "closed" if closed else "did NOT close"
        self._say("dreamzero", f"the loop {state}; figures and pictures: {self.out}")
        return 130 if interrupts.first.is_set() else 0 if closed else 1

    def _close_loop(
        self, supervisor: Supervisor, interrupts: Interrupts, usage: ProcessUsage
    ) -> None:
        """From started processes to the end of the measured time.

        Raises:
            NotClosed: a step did not succeed.
        """
        from dreamzero_bringup.demo.recorder import DemoRecorder
        from dreamzero_bringup.operator_client import OperatorClient, spinning

        recording = self.recording

        def until(done: Callable[[], bool], patience_s: float, what: str) -> None:
            deadline = time.monotonic() + patience_s
            while not done():
                if supervisor.poll() is not None or interrupts.first.is_set():
                    raise NotClosed(f"the run ended while waiting for {what}")
                if time.monotonic() > deadline:
                    raise NotClosed(f"expected {what} within {patience_s:g} s; {self._heard()}")
                time.sleep(_LOOK_S)

        with spinning("demo_recorder", supervisor.domain_id) as node:
            DemoRecorder(node, recording)
            operator = OperatorClient(node)
            self._say("dreamzero", f"starting; the nodes' logs go to {self.out / 'logs'}")
            until(self._ready, _READY_S, "policy, cameras and joints to be ready")
            self._say("dreamzero", f"weights: {recording.policy[-1].weights}")
            if self.instruction is None:
                self.instruction = recording.task.instruction if recording.task else INSTRUCTION
            self._say("dreamzero", f"instruction: {self.instruction}")
            try:
                goal = operator.start(self.instruction)
            except ValueError as error:
                raise NotClosed(str(error)) from error
            until(self._chunk_accepted, _MOTION_S, "the first chunk")
            self._enable(operator, until)
            until(lambda: bool(recording.first_command_ns), _MOTION_S, "the first command")
            usage.begin()
            self._watch(supervisor, interrupts, usage)
            recording.ended_ns = time.time_ns()
            usage.sample(share=True)
            if supervisor.failure is None and not interrupts.first.is_set():
                operator.motion("disable")
                goal.cancel_goal_async()

    def _enable(self, operator: object, until: Callable) -> None:
        """Asks until the controller agrees; its reason is the message when it does not."""
        answers: list[str] = []

        def agreed() -> bool:
            try:
                answer = operator.motion("enable")
            except ValueError as error:
                raise NotClosed(str(error)) from error
            answers.append(answer.message)
            return answer.success

        try:
            until(agreed, _MOTION_S, "the controller to be enabled")
        except NotClosed as reason:
            raise NotClosed(f"{reason}; it said: {answers[-1] if answers else 'nothing'}") from None
        self.recording.enabled_ns = time.time_ns()

    def _ready(self) -> bool:
        """Whether every part of the loop has spoken."""
        recording = self.recording
        ready = recording.policy and recording.policy[-1].state not in ("WARMING_UP", "FAILED")
        return bool(ready and recording.seen and recording.states and recording.controller)

    def _heard(self) -> str:
        """Which parts have not spoken, and what the others say."""
        recording = self.recording
        spoken = {
            "policy_status": [f"{r.state} {r.message}" for r in recording.policy[-1:]],
            "canvas": [f"{len(recording.seen)} came"] if recording.seen else [],
            "proprioception": [f"{len(recording.states)} came"] if recording.states else [],
            "controller_status": [
                f"{r.mode} {r.hold_reason} {r.message}" for r in recording.controller[-1:]
            ],
        }
        return "; ".join(f"{name}: {said[0] if said else 'none'}" for name, said in spoken.items())

    def _chunk_accepted(self) -> bool:
        controller = self.recording.controller
        return bool(self.recording.chunks and controller and controller[-1].chunks_accepted)

    def _watch(self, supervisor: Supervisor, interrupts: Interrupts, usage: ProcessUsage) -> None:
        """The measured time, with a status line."""
        recording = self.recording
        end_ns = recording.first_command_ns + round(self.seconds * NS_PER_S)
        status = LiveStatus(self._stream) if self._live else PlainStatus(self._say)
        with status:
            shown = sampled = 0.0
            while time.time_ns() < end_ns and not interrupts.first.wait(_LOOK_S):
                if supervisor.poll() is not None:
                    break
                now = time.monotonic()
                if now - sampled > 1.0:
                    usage.sample()
                    sampled = now
                if now - shown > status.every_s:
                    status.show(status_text(recording, time.time_ns()))
                    shown = now


def _death(failure: NodeExit | None) -> str | None:
    return None if failure is None else f"{failure.name} {failure.reason}"
