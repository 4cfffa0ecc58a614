"""Whether a machine can run the robot's side, the policy's side, or the simulation."""

from __future__ import annotations

from collections.abc import Iterator

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.facts.machine_facts import MachineFacts
from dreamzero_policy.embodiments.embodiment import Embodiment

GIB = 1 << 30
_MIB = 1 << 20
_PYTHONS = ((3, 11), (3, 12))
_LEAST_CPUS = 2
_LEAST_MEMORY = 2 * GIB  # the robot's side with the simulation
_LEAST_SHARED = 64 * _MIB  # what a container gets by default is too little for images
_DISK_LOW, _DISK_OUT = 10 * GIB, GIB
_LEAST_BUFFER = 4 * _MIB
_KEPT_IMAGES = 4  # images of every camera that a socket should be able to hold
EGL_PACKAGES = "libegl1 libgl1-mesa-dri"


def check(facts: MachineFacts, robot: Embodiment, sim: bool) -> Iterator[Finding]:
    """Everything about the machine but the GPU, which the checkpoint decides on.

    Args:
        facts: the machine.
        robot: whose images have to pass.
        sim: whether the simulated robot is wanted.
    """
    yield _python(facts)
    yield from _packages(facts)
    yield _processor(facts)
    yield _memory(facts)
    yield _realtime(facts)
    yield _governor(facts)
    yield from _buffers(facts, robot)
    yield _shared(facts)
    yield _disk(facts)
    if sim:
        yield _rendering(facts)


def size(count: float) -> str:
    """Bytes for people."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / _MIB:.1f} MiB"


def _python(facts: MachineFacts) -> Finding:
    found = ".".join(map(str, facts.python))
    if facts.python[:2] in _PYTHONS:
        return passed("Python", found)
    wanted = " or ".join(f"{major}.{minor}" for major, minor in _PYTHONS)
    return failed(
        "Python", found, expected=wanted, fix="rm -rf .venv && PYTHON=python3.12 make setup"
    )


def _packages(facts: MachineFacts) -> Iterator[Finding]:
    """Versions against those that this project is tested with."""
    if not facts.pins:
        yield skipped("packages", "no requirements/ beside the sources to compare with")
    for file, pins in facts.pins.items():
        what, missing = f"packages: {file}", {n for n, pin in pins.items() if not pin.installed}
        if file == "dev":
            continue
        if file == "policy" and not facts.torch:
            yield skipped(what, "torch is not installed: the policy runs on another host")
        elif missing and len(missing) == len(pins):
            yield _none_of(what, file)
        elif missing:
            yield failed(
                what,
                f"not installed: {', '.join(sorted(missing))}",
                fix=f"pip install -r requirements/{file}.txt",
            )
        else:
            yield _versions(what, file, facts)


_OPTIONAL = {
    "ros": "ROS 2 does not come from PyPI here",
    "ray": "not installed: only `dreamzero convert --ray` needs it",
}
"""Requirements of which none need be there, and what that means."""


def _none_of(what: str, file: str) -> Finding:
    if file in _OPTIONAL:
        return skipped(what, _OPTIONAL[file])
    return failed(what, "none is installed", fix=f"pip install -r requirements/{file}.txt")


def _versions(what: str, file: str, facts: MachineFacts) -> Finding:
    pins = facts.pins[file]
    # A local build tag (2.13.0+cu130) is the same release.
    other = {n: p for n, p in pins.items() if p.installed.partition("+")[0] != p.wanted}
    if not other:
        return passed(what, f"all {len(pins)} as pinned")
    return warned(
        what,
        ", ".join(f"{name} {pin.installed}" for name, pin in other.items()),
        expected=", ".join(f"{name} {pin.wanted}" for name, pin in other.items()),
        fix=f"pip install -r requirements/{file}.txt",
    )


def _processor(facts: MachineFacts) -> Finding:
    found = f"{facts.cpus} cores, load {facts.load:.1f}"
    if facts.cpus < _LEAST_CPUS:
        return warned(
            "processor",
            found,
            expected=f"{_LEAST_CPUS} cores or more",
            fix="give this machine or container more cores (docker run --cpus=2)",
        )
    if facts.load > 2 * facts.cpus:
        return warned(
            "processor",
            found,
            expected=f"a load below {2 * facts.cpus}",
            fix="end what else runs here; `top -o %CPU` shows it",
        )
    return passed("processor", found)


def _memory(facts: MachineFacts) -> Finding:
    found = f"{size(facts.memory_free)} free of {size(facts.memory)}"
    if facts.memory_free >= _LEAST_MEMORY:
        return passed("memory", found)
    return warned(
        "memory",
        found,
        expected=f"{size(_LEAST_MEMORY)} free",
        fix="end what else runs here; `top -o %MEM` shows it",
    )


def _realtime(facts: MachineFacts) -> Finding:
    if facts.realtime:
        return passed("real-time scheduling", "SCHED_FIFO is granted")
    return warned(
        "real-time scheduling",
        f"SCHED_FIFO is refused (rtprio limit {facts.rtprio})",
        expected="granted, so that a busy machine does not delay commands by a few ms",
        fix='echo "$USER - rtprio 20" | sudo tee -a /etc/security/limits.conf, then log in '
        "again; in a container: docker run --cap-add=SYS_NICE --ulimit rtprio=20",
    )


def _governor(facts: MachineFacts) -> Finding:
    found = ", ".join(facts.governors)
    if not facts.governors:
        return skipped("CPU governor", "the system does not say (a virtual machine?)")
    if facts.governors == ("performance",):
        return passed("CPU governor", found)
    return warned(
        "CPU governor",
        found,
        expected="performance, so that the clock does not have to rise first",
        fix="sudo cpupower frequency-set -g performance",
    )


def _buffers(facts: MachineFacts, robot: Embodiment) -> Iterator[Finding]:
    """Socket buffers; an image travels between hosts as a burst of datagrams."""
    height, width = robot.native_size
    burst = _KEPT_IMAGES * len(robot.views) * height * width * 3
    wanted = max(_LEAST_BUFFER, 1 << (burst - 1).bit_length())
    for what, found, name in (
        ("receive buffer", facts.receive_buffer, "net.core.rmem_max"),
        ("send buffer", facts.send_buffer, "net.core.wmem_max"),
    ):
        if found is None:
            yield skipped(what, f"the system does not say {name}")
        elif found >= wanted:
            yield passed(what, f"{name} {size(found)}")
        else:
            yield warned(
                what,
                f"{name} {size(found)}",
                expected=f"{size(wanted)}, or images between hosts are lost",
                fix=f"echo {name}={wanted} | sudo tee -a /etc/sysctl.d/60-dreamzero.conf && "
                "sudo sysctl --system",
            )


def _shared(facts: MachineFacts) -> Finding:
    if facts.shared is None:
        found = "there is none"
    else:
        found = f"{size(facts.shared_free)} free of {size(facts.shared)}"
        if facts.shared_free > _LEAST_SHARED:
            return passed("/dev/shm", found)
    return warned(
        "/dev/shm",
        found,
        expected=f"more than {size(_LEAST_SHARED)} free: images between processes go through it",
        fix="sudo mount -o remount,size=1G /dev/shm; in a container: docker run --shm-size=1g",
    )


def _disk(facts: MachineFacts) -> Finding:
    found = f"{size(facts.disk_free)} free here"
    if facts.disk_free >= _DISK_LOW:
        return passed("disk", found)
    make = failed if facts.disk_free < _DISK_OUT else warned
    return make(
        "disk", found, expected=f"{size(_DISK_LOW)} free", fix="du -xh --max-depth=2 . | sort -h"
    )


def _rendering(facts: MachineFacts) -> Finding:
    if not facts.simulator:
        return failed(
            "rendering", "MuJoCo is not installed", fix="pip install -r requirements/robot.txt"
        )
    if not facts.egl_error:
        return passed("rendering", "EGL draws without a display")
    return failed(
        "rendering",
        facts.egl_error,
        expected="EGL, which draws the simulated cameras",
        fix=f"sudo apt-get install -y --no-install-recommends {EGL_PACKAGES}",
    )
