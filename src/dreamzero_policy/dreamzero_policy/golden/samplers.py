"""Samplers, training levels and the dynamic step choice against the reference."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor

from dreamzero_policy.golden.report import EXACT, FLOAT32, SAMPLER, Case
from dreamzero_policy.sampling.schedule import (
    FlowSchedule,
    SolverState,
    advance,
    euler_sigmas,
    euler_step,
    flow_schedule,
)
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.training.loss import NoiseTable

_NAME = re.compile(r"((unipc|euler)/shift([\d.]+)/n(\d+))/sigmas")
_DECOUPLED = re.compile(r"(unipc_decoupled/final([\d.]+))/sigmas")


def check(case: Case) -> None:
    """Every sampler named in the file, at whatever shift and number of steps."""
    for name in sorted(case.tensors):
        if match := _NAME.fullmatch(name):
            key, kind, shift, steps = match[1], match[2], float(match[3]), int(match[4])
            if kind == "unipc":
                _unipc(case, key, flow_schedule(steps, shift), ("video/", "action/"))
            else:
                _euler(case, key, euler_sigmas(steps, shift))
        elif match := _DECOUPLED.fullmatch(name):
            steps = len(case[name]) - 1
            _unipc(case, match[1], flow_schedule(steps, final_sigma=float(match[2])), ("",))
    for count, mask in case.scalars.get("dit_step_masks", {}).items():
        known = int(count) if count in ("5", "6", "7", "8") else "all"  # any other number is all
        ours = step_cache(known, len(mask)).start(len(mask))
        case.decide(f"step mask {count}", [ours.runs(i, ()) for i in range(len(mask))], mask)
    if "dynamic/run" in case.tensors:
        _dynamic(case)
    if "train/timesteps" in case.tensors:
        _training(case)


def _unipc(case: Case, key: str, schedule: FlowSchedule, modalities: tuple[str, ...]) -> None:
    """Levels, and the samples along given velocities."""
    case.compare(f"{key}/sigmas", torch.tensor(schedule.sigmas), FLOAT32)
    case.decide(f"{key}/timesteps", list(schedule.timesteps), case[f"{key}/timesteps"].tolist())
    for modality in modalities:
        if f"{key}/{modality}x0" not in case.tensors:
            continue
        state = SolverState(case[f"{key}/{modality}x0"])
        samples = []
        for step, velocity in zip(schedule.steps, case[f"{key}/{modality}velocity"], strict=True):
            state = advance(step, state, velocity)
            samples.append(state.sample)
        case.compare(f"{key}/{modality}x", torch.stack(samples), SAMPLER)


def _euler(case: Case, key: str, sigmas: tuple[float, ...]) -> None:
    """The same for the first-order sampler."""
    case.compare(f"{key}/sigmas", torch.tensor(sigmas[:-1]), EXACT)
    case.compare(f"{key}/timesteps", 1000 * torch.tensor(sigmas[:-1]), EXACT)
    sample, samples = case[f"{key}/x0"], []
    for i, velocity in enumerate(case[f"{key}/velocity"]):
        sample = euler_step(sample, velocity, sigmas[i], sigmas[i + 1])
        samples.append(sample)
    case.compare(f"{key}/x", torch.stack(samples), SAMPLER)


def _dynamic(case: Case) -> None:
    """Which steps run, where the network would predict given velocities."""
    for i, (velocities, runs) in enumerate(
        zip(case["dynamic/velocity"], case["dynamic/run"], strict=True)
    ):
        decider = step_cache("dynamic", len(velocities)).start(len(velocities))
        computed: list[tuple[Tensor, Tensor]] = []
        ours = []
        for step, velocity in enumerate(velocities):
            ours.append(decider.runs(step, computed))
            computed += [(velocity, velocity)] * ours[-1]  # it looks at the first, the video's
        case.decide(f"dynamic/run {i}", ours, runs.tolist())


def _training(case: Case) -> None:
    """The table of training, and what is looked up in it."""
    table = NoiseTable.make()
    clean, noise = case["train/clean"], case["train/noise"]

    def weights(timesteps: str) -> Tensor:
        return table.weights[table.nearest(case[timesteps])]

    ours: dict[str, Callable[[], Tensor]] = {
        "timesteps": lambda: table.timesteps,
        "sigmas": lambda: table.sigmas,
        "weights": lambda: table.weights,
        "noisy": lambda: table.add_noise(clean, noise, case["train/t"]),
        "noisy_off_table": lambda: table.add_noise(clean, noise, case["train/t_off_table"]),
        "target": lambda: noise - clean,
        "weight_t": lambda: weights("train/t"),
        "weight_off_table": lambda: weights("train/t_off_table"),
    }
    for name, values in ours.items():
        case.compare(f"train/{name}", values(), 1e-5 if "weight" in name else FLOAT32)
    case.compare("train/index", table.nearest(case["train/t"]), EXACT)
