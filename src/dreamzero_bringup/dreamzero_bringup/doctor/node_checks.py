"""Whether the nodes of a running graph are well, as far as they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.facts.expected import Expected
from dreamzero_bringup.facts.live_facts import OURS, ControllerSaid, Live, PolicySaid, Stream

_LATE_S = 0.01  # of a control period


def check(live: Live, expected: Expected) -> Iterator[Finding]:
    """Lifecycle, rates, status of controller and policy, diagnostics."""
    names = {name.rpartition("/")[2] for name in live.nodes}
    running = [name for name in OURS if name in names]
    yield from _twice(live)
    yield from _lifecycle(live)
    if not running:
        yield skipped("nodes", "only the driver is running; `dreamzero up ...` starts the rest")
        yield from _diagnostics(live)
        return
    missing = [name for name in OURS if name not in running]
    if missing:
        yield warned(
            "nodes",
            f"not there: {', '.join(missing)}",
            expected=", ".join(OURS),
            fix=f"dreamzero up {expected.robot.name} --side policy (or robot) in another terminal; "
            "on another host --robot-host (or --policy-host) with this one's name",
        )
    if "camera_tiler" in running:
        yield _rate("canvas", live.canvas, expected.frame_hz, "the cameras above")
    if "proprioception" in running:
        yield _rate("proprioception", live.proprioception, expected.state_hz, "joint_states above")
    if "controller" in running:
        yield from _controller(live.controller)
    if "policy" in running:
        yield _policy(live.policy)
    yield from _diagnostics(live)


def _twice(live: Live) -> Iterator[Finding]:
    """Two nodes of one name answer each other's services."""
    for name, count in Counter(live.nodes).items():
        if count > 1:
            yield failed(
                f"node {name}",
                f"{count} of that name",
                expected="one",
                fix="stop one of the two runs, or give each a domain: dreamzero up ... --domain-id",
            )


def _lifecycle(live: Live) -> Iterator[Finding]:
    """Every node of ours is active."""
    for name, state in sorted(live.states.items()):
        if state == "active":
            yield passed(f"node {name}", "active")
        elif not state:
            yield failed(
                f"node {name}",
                "does not answer",
                expected="active",
                fix="it hangs or is stopped: end it and start it again; `ps` shows its state",
            )
        else:
            steps = "" if state == "inactive" else f"ros2 lifecycle set {name} configure && "
            yield warned(
                f"node {name}",
                state,
                expected="active",
                fix=f"{steps}ros2 lifecycle set {name} activate",
            )


def _rate(what: str, stream: Stream, hz: float, cause: str) -> Finding:
    found = f"{stream.rate_hz:.1f} Hz"
    if stream.rate_hz >= 0.9 * hz:
        return passed(what, found)
    make = warned if stream.count else failed
    return make(
        what,
        found if stream.count else "none came",
        expected=f"{hz:g} Hz",
        fix=f"put {cause} right first; then read the log of its node",
    )


def _controller(said: ControllerSaid | None) -> Iterator[Finding]:
    if said is None:
        yield failed("controller", "reports nothing", fix="restart it: dreamzero up ...")
        return
    reason = f", {said.hold_reason}: {said.message}" if said.hold_reason else ""
    found = f"{said.mode}{reason}"
    if said.estopped:
        yield warned("controller", f"e-stopped; {found}", fix="dreamzero reset-estop")
    else:
        yield passed("controller", found)
    worst = f"worst period off by {said.period_worst_s * 1e3:.1f} ms, {said.overruns} overruns"
    if said.period_worst_s > _LATE_S:
        yield warned(
            "control period",
            worst,
            expected=f"below {_LATE_S * 1e3:.0f} ms",
            fix="grant real-time scheduling (above), end what else loads the machine (`top`)",
        )
    else:
        yield passed("control period", f"{said.period_mean_s * 1e3:.2f} ms, {worst}")
    if said.last_refusal:
        yield warned(
            "chunks",
            f"the last one refused: {said.last_refusal}",
            fix="the message names the threshold: config/controller.yaml",
        )


def _policy(said: PolicySaid | None) -> Finding:
    if said is None:
        return failed("policy", "reports nothing", fix="restart it: dreamzero up ...")
    found = f"{said.state}{f', {said.message}' if said.message else ''}; weights: {said.weights}"
    if said.state == "FAILED":
        return failed("policy", found, fix='read its log; dreamzero run "..." starts again')
    if said.state == "WAITING":
        return warned("policy", found, fix="as it says; cameras and joint states above first")
    if said.state == "IDLE" and ", but " in said.message:
        return warned("policy", found, fix="as it says")
    if said.state == "WARMING_UP":
        return warned("policy", found, fix="wait until it says that it is ready, then look again")
    latency = f"; {said.latency_s:.2f} s for a chunk" if said.latency_s else ""
    return passed("policy", found + latency)


def _diagnostics(live: Live) -> Iterator[Finding]:
    """What any node complains about on /diagnostics."""
    for said in live.diagnoses:
        if said.level != "OK":
            make = failed if said.level == "ERROR" else warned
            yield make(
                f"diagnostics: {said.name}",
                f"{said.level}: {said.message}",
                fix="ros2 topic echo /diagnostics shows its values; then as the message says",
            )
    if live.diagnoses and all(said.level == "OK" for said in live.diagnoses):
        yield passed("diagnostics", f"{len(live.diagnoses)} components, all OK")
