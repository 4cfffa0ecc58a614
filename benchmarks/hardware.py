"""What computes here and how fast it does: rates that floors are worked out from.

Rates are measured in the run that uses them, since clocks and power differ from day to day; on a
GPU its clock, power and temperature are noted beside.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from dreamzero_policy.acceleration.packed import pack_linears
from dreamzero_policy.roofline.floor import H200, H200_FP8, Rates


def synchronise(device: torch.device) -> None:
    """Waits until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, budget: float = 0.5) -> float:
    """Median time of a piece of work, after three runs of it, within about a budget [s]."""
    for _ in range(3):
        work()
    synchronise(device)
    taken: list[float] = []
    end = time.perf_counter() + budget
    while len(taken) < 5 or (time.perf_counter() < end and len(taken) < 200):
        start = time.perf_counter()
        work()
        synchronise(device)
        taken.append(time.perf_counter() - start)
    return median(taken)


def describe(device: torch.device) -> dict[str, object]:
    """The device by name, and what drives it."""
    found: dict[str, object] = {"device": str(device), "torch": torch.__version__}
    if device.type != "cuda":
        return found | {"threads": torch.get_num_threads()}
    properties = torch.cuda.get_device_properties(device)
    return found | {
        "device": properties.name,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": _ask("driver_version", device),
    }


def state(device: torch.device) -> dict[str, str] | None:
    """Clock, power and temperature of a GPU now."""
    if device.type != "cuda":
        return None
    return {name: _ask(name, device) for name in ("clocks.sm", "power.draw", "temperature.gpu")}


def measured_rates(device: torch.device, dtype: torch.dtype) -> Rates:
    """Rates of a large matrix product, an attention, a convolution and a copy, here and now."""
    if device.type == "cpu" and dtype == torch.float32:
        return _core_rates()
    big = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(big, big, device=device, dtype=dtype) for _ in range(2))
    linear = 2.0 * big**3 / seconds(lambda: a @ b, device)
    tokens, width = (4096, 128) if device.type == "cuda" else (512, 128)
    q, k, v = (torch.randn(1, 8, tokens, width, device=device, dtype=dtype) for _ in range(3))
    done = 4.0 * 8 * tokens**2 * width
    attention = done / seconds(lambda: F.scaled_dot_product_attention(q, k, v), device)
    side, channels = (176, 192) if device.type == "cuda" else (48, 32)
    x = torch.randn(1, channels, 4, side, side, device=device, dtype=dtype)
    w = torch.randn(channels, channels, 3, 3, 3, device=device, dtype=dtype)
    done = 2.0 * 27 * channels**2 * 2 * (side - 2) ** 2
    conv = done / seconds(lambda: F.conv3d(x, w), device)
    source = torch.empty(1 << (30 if device.type == "cuda" else 26), dtype=torch.uint8)
    source = source.to(device)
    target = torch.empty_like(source)
    bandwidth = 2.0 * source.nbytes / seconds(lambda: target.copy_(source), device)
    # No kernel is held to less than a matrix product reaches: the floor stays below every program.
    fastest = max(linear, attention, conv)
    size = float(dtype.itemsize)
    return Rates(linear, fastest, fastest, bandwidth, size, size)


def _core_rates() -> Rates:
    """What a core reaches: a large matrix product, the faster way there is, in CPU time."""
    layer = torch.nn.Linear(1024, 1024).requires_grad_(False)
    packed = torch.nn.Linear(1024, 1024).requires_grad_(False)
    pack_linears(packed)
    x, fastest = torch.randn(1024, 1024), 0.0
    with torch.inference_mode():
        for work in (layer, packed):
            times = []
            for _ in range(25):
                start = time.thread_time()
                work(x)
                times.append(time.thread_time() - start)
            fastest = max(fastest, 2.0 * 1024**3 / median(times))
    source = torch.zeros(1 << 26, dtype=torch.uint8)
    target = torch.empty_like(source)
    copied = seconds(lambda: target.copy_(source), torch.device("cpu"))
    return Rates(fastest, fastest, fastest, 2.0 * source.nbytes / copied, 4.0, 4.0)


def rates(name: str, device: torch.device, dtype: torch.dtype) -> dict[str, Rates]:
    """Rates by precision: measured here, or those of an H200's data sheet.

    Eight bits are taken to be twice as fast as sixteen, and to move half of the weights.
    """
    if name == "h200":
        return {"none": H200, "fp8": H200_FP8}
    plain = measured_rates(device, dtype)
    eight = Rates(2 * plain.linear, plain.attention, plain.conv, plain.bandwidth, 1.0)
    return {"none": plain, "fp8": eight}


def _ask(what: str, device: torch.device) -> str:
    """One answer of nvidia-smi; a question mark where there is none."""
    query = (
        "nvidia-smi",
        f"--query-gpu={what}",
        "--format=csv,noheader",
        f"-i={device.index or 0}",
    )
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return answer.stdout.strip() if answer.returncode == 0 else "?"
