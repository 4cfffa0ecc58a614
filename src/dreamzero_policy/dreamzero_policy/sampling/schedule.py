"""Noise levels and one UniPC step, as arithmetic on tensors (design: model.md 6.1, 6.2, 6.6).

Sigma runs from almost 1 (noise) to 0 (clean); the network is told ``trunc(1000 * sigma)``. A step
of the order-2 UniPC solver is linear in what it knows, so everything that depends only on the
levels is worked out once, in float64, as the coefficients of ``Step``; a step on tensors is then
seven multiply-adds. Video and action each have a schedule: in decoupled inference they differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TIMESTEPS = 1000
"""Timestep that the network reads at sigma 1; also the number of levels of the training grid."""


class Step(NamedTuple):
    """Coefficients of one solver step from level ``i`` to level ``i + 1``.

    The corrector replaces the sample that the network was just evaluated at by
    ``keep * base + now * m_i + before * m_{i-1} + older * m_{i-2}``, where ``m`` are estimates of
    the clean sample and ``base`` is the corrected sample of step ``i - 1``. The predictor then
    gives ``scale * corrected + clean * m_i + history * m_{i-1}``.
    """

    sigma: float
    keep: float
    now: float
    before: float
    older: float
    scale: float
    clean: float
    history: float


@dataclass(frozen=True)
class FlowSchedule:
    """The levels of one modality.

    Attributes:
        sigmas: n + 1 levels, strictly falling, as float32 values; the last is where sampling ends.
        timesteps: n integers, what the network is told at each level.
        steps: n solver steps.
    """

    sigmas: tuple[float, ...]
    timesteps: tuple[int, ...]
    steps: tuple[Step, ...]

    def __len__(self) -> int:
        """Number of steps n."""
        return len(self.timesteps)


def flow_schedule(
    steps: int = 16, shift: float = 5.0, final_sigma: float | None = None
) -> FlowSchedule:
    """The levels that the policy samples on.

    Args:
        steps: number of network timesteps n.
        shift: how strongly levels are pushed towards noise; 1 spaces them evenly.
        final_sigma: level at which sampling ends, in [0, 1); None ends at 0. The levels are mapped
            affinely onto [first, final], which is how video stays noisy in decoupled inference.

    Raises:
        ValueError: a number outside its range.
    """
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    if not shift > 0:
        raise ValueError(f"shift: expected a positive number, got {shift}")
    highest = float(np.float32(1 - 1 / TIMESTEPS))  # the reference rounds it to float32 here
    even = highest * (1 - np.arange(steps, dtype=np.float64) / steps)
    sigmas = np.append(shift * even / (1 + (shift - 1) * even), 0.0).astype(np.float32)
    if final_sigma is not None:
        if not 0 <= final_sigma < sigmas[0]:
            raise ValueError(f"final_sigma: expected at least 0 and below 1, got {final_sigma}")
        first, final = sigmas[0], np.float32(final_sigma)
        sigmas = (sigmas * (first - final) / first + final).astype(np.float32)
    timesteps = tuple(int(value) for value in np.float32(TIMESTEPS) * sigmas[:-1])
    levels = tuple(float(value) for value in sigmas)
    return FlowSchedule(levels, timesteps, _solver_steps(levels))


def _solver_steps(sigmas: tuple[float, ...]) -> tuple[Step, ...]:
    """Coefficients of every step; order 2 inside, order 1 at both ends."""
    count = len(sigmas) - 1
    alphas = [1 - sigma for sigma in sigmas]
    lambdas = [
        math.log(alpha / sigma) if sigma > 0 else math.inf
        for alpha, sigma in zip(alphas, sigmas, strict=True)
    ]
    orders = [min(2, count - i, i + 1) for i in range(count)]
    steps = []
    for i, sigma in enumerate(sigmas[:-1]):
        keep, now, before, older = 1.0, 0.0, 0.0, 0.0
        if i > 0:
            q = lambdas[i - 1] - lambdas[i]
            grow = math.expm1(q)
            keep, before = sigma / sigmas[i - 1], -alphas[i] * grow
            if orders[i - 1] == 1:
                near, far, ratio = 0.5, 0.0, 1.0
            else:
                ratio = (lambdas[i - 2] - lambdas[i - 1]) / -q
                first = grow / q - 1
                b1, b2 = first / grow, 2 * (first / q - 0.5) / grow
                far = (b1 - b2) / (1 - ratio)
                near = b1 - far
            now = -alphas[i] * grow * near
            older = -alphas[i] * grow * far / ratio
            before -= now + older
        q = lambdas[i] - lambdas[i + 1]
        grow = math.expm1(q)
        scale, clean, history = sigmas[i + 1] / sigma, -alphas[i + 1] * grow, 0.0
        if orders[i] == 2:
            ratio = (lambdas[i - 1] - lambdas[i]) / -q
            history = -alphas[i + 1] * grow * 0.5 / ratio
            clean -= history
        steps.append(Step(sigma, keep, now, before, older, scale, clean, history))
    return tuple(steps)


class SolverState(NamedTuple):
    """What the solver remembers between steps; every tensor has the sample's shape.

    Attributes:
        sample: where the network is evaluated next.
        base: the sample of the last step after its correction; None before the first step.
        clean: estimates of the clean sample, newest first, at most two.
    """

    sample: Tensor
    base: Tensor | None = None
    clean: tuple[Tensor, ...] = ()


def advance(step: Step, state: SolverState, velocity: Tensor) -> SolverState:
    """One solver step.

    Args:
        step: the coefficients of this step.
        state: as the step before left it, or ``SolverState(noise)``.
        velocity: noise minus clean, as the network predicts it at ``state.sample``.

    Returns:
        The state whose ``sample`` stands at the next level.
    """
    clean = state.sample - step.sigma * velocity
    base = state.sample
    if state.base is not None:
        base = step.keep * state.base + step.now * clean + step.before * state.clean[0]
        if step.older:
            base = base + step.older * state.clean[1]
    sample = step.scale * base + step.clean * clean
    if step.history:
        sample = sample + step.history * state.clean[0]
    return SolverState(sample, base, (clean, *state.clean[:1]))


def euler_sigmas(steps: int, shift: float = 5.0) -> tuple[float, ...]:
    """The n + 1 levels of the plain Euler sampler, from 1 to 0 (design: model.md 5.1, 5.2)."""
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")
    even = torch.linspace(1, 0, steps + 1)
    return tuple((shift * even / (1 + (shift - 1) * even)).tolist())


def euler_step(sample: Tensor, velocity: Tensor, sigma: float, next_sigma: float) -> Tensor:
    """The first-order step; the slow twin of ``advance``: both agree as steps grow many."""
    return sample + (next_sigma - sigma) * velocity
