"""What this machine offers: packages, processor, memory, GPU, privileges, buffers, disks."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil

from dreamzero_policy.ros import realtime

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)")
_REQUIREMENTS = Path(__file__).resolve().parents[4] / "requirements"  # in a checkout
_EGL = "import mujoco.egl as egl; egl.GLContext(64, 64).make_current()"
_CUDA = "import torch; torch.zeros(1, device='cuda'); print(torch.version.cuda)"


@dataclass(frozen=True)
class Pin:
    """One line of a requirements file.

    Attributes:
        wanted: the version that this project is tested with.
        installed: the one that is there, None for none.
    """

    wanted: str
    installed: str | None


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU as its driver describes it; memory in bytes."""

    name: str
    total: int
    free: int
    driver: str


@dataclass(frozen=True)
class MachineFacts:
    """A machine; sizes in bytes.

    Attributes:
        python: version, three numbers.
        pins: by requirements file without its suffix, then by package; empty outside a checkout.
        torch: whether torch is installed, that is, whether this machine can run the policy.
        cpus: that this process may use.
        load: processes that wanted to run, mean of the last minute.
        memory, memory_free: main memory.
        gpus: none where there is no NVIDIA driver.
        cuda_error: why torch cannot use the GPU; empty where it can or was not asked.
        realtime: whether a thread got real-time priority.
        rtprio: the highest priority that the user may ask for.
        governors: of the CPU frequency, empty where the system does not say.
        receive_buffer, send_buffer: largest socket buffers, None where the system does not say.
        shared: size of /dev/shm, None where there is none.
        shared_free: what is free of it.
        disk_free: where this process writes.
        egl_error: why a picture cannot be rendered without a display; empty where it can.
        simulator: whether MuJoCo is installed.
    """

    python: tuple[int, ...]
    pins: Mapping[str, Mapping[str, Pin]]
    torch: bool
    cpus: int
    load: float
    memory: int
    memory_free: int
    gpus: tuple[Gpu, ...]
    cuda_error: str
    realtime: bool
    rtprio: int
    governors: tuple[str, ...]
    receive_buffer: int | None
    send_buffer: int | None
    shared: int | None
    shared_free: int
    disk_free: int
    egl_error: str
    simulator: bool


def look(realtime_priority: int = 10, sim: bool = False) -> MachineFacts:
    """Looks at this machine; takes about a second, a few where a GPU is asked.

    Args:
        realtime_priority: what the controller will ask for.
        sim: whether the simulated robot is wanted: then rendering is tried.
    """
    memory, torch = psutil.virtual_memory(), find_spec("torch") is not None
    simulator, gpus = find_spec("mujoco") is not None, find_gpus()
    shared = _usage("/dev/shm")
    return MachineFacts(
        python=tuple(map(int, platform.python_version_tuple()[:2])),
        pins=read_pins(_REQUIREMENTS),
        torch=torch,
        cpus=len(os.sched_getaffinity(0)),
        load=os.getloadavg()[0],
        memory=memory.total,
        memory_free=memory.available,
        gpus=gpus,
        cuda_error=_attempt(_CUDA) if torch and gpus else "",
        realtime=try_realtime(max(1, realtime_priority)),
        rtprio=_rtprio(),
        governors=_governors(),
        receive_buffer=_number("/proc/sys/net/core/rmem_max"),
        send_buffer=_number("/proc/sys/net/core/wmem_max"),
        shared=shared and shared.total,
        shared_free=shared.free if shared else 0,
        disk_free=shutil.disk_usage(Path.cwd()).free,
        egl_error=_attempt(_EGL) if sim and simulator else "",
        simulator=simulator,
    )


def read_pins(folder: Path) -> dict[str, dict[str, Pin]]:
    """What the requirements files ask for, by file, and what is installed."""
    found: dict[str, dict[str, Pin]] = {}
    for path in sorted(folder.glob("*.txt")):
        matches = map(_PIN.match, path.read_text().splitlines())
        found[path.stem] = {m[1]: Pin(m[2], _installed(m[1])) for m in matches if m}
    return found


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def find_gpus() -> tuple[Gpu, ...]:
    """The GPUs that NVIDIA's driver reports."""
    query = "--query-gpu=name,memory.total,memory.free,driver_version"
    try:
        answer = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_gpus(answer.stdout) if answer.returncode == 0 else ()


def parse_gpus(answer: str) -> tuple[Gpu, ...]:
    """GPUs from nvidia-smi's rows of name, total MiB, free MiB, driver; others are left out."""
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.splitlines()]
    return tuple(
        Gpu(row[0], int(row[1]) << 20, int(row[2]) << 20, row[3])
        for row in rows
        if len(row) == 4 and row[1].isdigit() and row[2].isdigit()
    )


def try_realtime(priority: int) -> bool:
    """Whether a thread of this user gets real-time priority, tried in one that ends at once."""
    granted: list[bool] = []

    def ask() -> None:
        granted.append(realtime.prioritise([threading.get_native_id()], priority))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return granted[0]


def _rtprio() -> int:
    return resource.getrlimit(resource.RLIMIT_RTPRIO)[0]


def _attempt(code: str) -> str:
    """The last line that a short program complains with; empty where it succeeds.

    In a process of its own: a GPU or EGL context would stay with this one.
    """
    try:
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
    return lines[-1] if answer.returncode else ""


def _governors() -> tuple[str, ...]:
    paths = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return tuple(sorted({path.read_text().strip() for path in paths}))


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _usage(path: str) -> shutil._ntuple_diskusage | None:
    try:
        return shutil.disk_usage(path)
    except OSError:
        return None
