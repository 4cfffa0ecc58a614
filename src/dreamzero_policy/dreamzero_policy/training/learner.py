"""The network that learns, its optimizer and its averaged weights; one step of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from dreamzero_policy.mixture.batch import Batch
from dreamzero_policy.model import lora
from dreamzero_policy.model.config import ModelConfig
from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.runs.distributed import World, recompute_activations, shard
from dreamzero_policy.runs.errors import TrainingError
from dreamzero_policy.runs.saving import tensors_of
from dreamzero_policy.runs.start import Read, fill
from dreamzero_policy.training.config import TrainConfig
from dreamzero_policy.training.loss import Losses, NoiseTable
from dreamzero_policy.training.objective import Noise, losses

_CODECS = ("state_encoder.", "action_encoder.", "action_decoder.")


class Figures(NamedTuple):
    """What a step gave, as means over the global batch.

    Attributes:
        loss, video, actions: the losses.
        norm: of the gradient before it was clipped.
        rate: learning rate.
    """

    loss: float
    video: float
    actions: float
    norm: float
    rate: float


def rate_at(config: TrainConfig, step: int) -> float:
    """Learning rate of a step: a rise in a straight line, then half a cosine."""
    rise = max(1, round(config.warmup * config.steps))
    if step < rise:
        return config.learning_rate * (step + 1) / rise
    part = (step - rise) / max(1, config.steps - rise)
    share = 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))
    return config.learning_rate * (config.last_rate + (1 - config.last_rate) * share)


class Learner:
    """A network in training.

    Args:
        model: its sizes.
        config: how it learns.
        read: gives the weights that it begins with.
        world: the processes that it is divided among.
    """

    def __init__(self, model: ModelConfig, config: TrainConfig, read: Read, world: World) -> None:
        self._config, self._world = config, world
        self.table = NoiseTable.make(device=world.device, weighting=config.weighting)
        self.network = _network(model, config, world)
        fill(self.network, read, config.seed)
        self.trained = {
            name: parameter
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad
        }
        self.optimizer = torch.optim.AdamW(
            self.trained.values(),
            lr=config.learning_rate,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            weight_decay=config.weight_decay,
            foreach=True,
        )
        self._begin_moments(0)
        self.averaged: dict[str, Tensor] = {}
        if config.ema:
            self.averaged = {name: p.detach().clone() for name, p in self.trained.items()}
        self.step_number = 0

    def _begin_moments(self, steps: int) -> None:
        """Moments of the optimizer, so that a state can be read into them."""
        for parameter in self.trained.values():
            state = self.optimizer.state[parameter]
            state["step"] = torch.tensor(float(steps))
            for moment in ("exp_avg", "exp_avg_sq"):
                if moment not in state:
                    state[moment] = torch.zeros_like(parameter)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a state holds."""
        return tensors_of(self.network, self.optimizer, self.averaged)

    def go_on_from(self, step: int) -> None:
        """After ``tensors`` were filled from a state of that step."""
        self._begin_moments(step)
        self.step_number = step

    def losses(self, batch: Batch, noise: Noise) -> Losses:
        """Of windows on this device."""
        config = self._config
        asked = config.video_weight, config.action_weight, config.predict_video
        return losses(self.network, self.table, batch, noise, *asked)

    def step(self, parts: Iterable[tuple[Batch, Noise]], count: int) -> Figures:
        """One optimizer step on this process's share of a global batch.

        Args:
            parts: equal parts of the share, each with its noise, on the CPU.
            count: how many there are.

        Raises:
            TrainingError: a loss or a gradient is not finite; no weight was changed.
        """
        sums = torch.zeros(3, device=self._world.device)
        for batch, noise in parts:
            found = self.losses(batch.to(self._world.device), noise.to(self._world.device))
            (found.total / count).backward()
            sums += torch.stack([each.detach() for each in found]) / count
        norm = _whole(
            nn.utils.clip_grad_norm_(self.trained.values(), self._config.clip, foreach=True)
        )
        loss, video, actions = self._world.mean(sums).tolist()
        if not math.isfinite(loss) or not torch.isfinite(norm):
            self.optimizer.zero_grad()
            raise TrainingError(
                f"step {self.step_number}: expected a finite loss and gradient, got loss {loss}, "
                f"gradient norm {norm.item()}: no weight was changed"
            )
        rate = rate_at(self._config, self.step_number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step_number += 1
        self._average()
        return Figures(loss, video, actions, norm.item(), rate)

    @torch.no_grad()
    def _average(self) -> None:
        """The averaged weights follow, at first faster."""
        if self.averaged:
            decay = min(self._config.ema, self.step_number / (10 + self.step_number))
            own = [_local(self.trained[name]) for name in self.averaged]
            torch._foreach_lerp_([_local(x) for x in self.averaged.values()], own, 1 - decay)


def _network(model: ModelConfig, config: TrainConfig, world: World) -> CausalDiT:
    """The network with its memory, not yet its weights, on its device and divided."""
    with torch.device("meta"):
        network = CausalDiT(model)
        if config.mode == "lora":
            lora.add(network, config.lora_rank, config.lora_alpha)
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(".lora_" in name or name.startswith(_CODECS))
    bfloat16 = config.precision == "bfloat16"
    if bfloat16:
        for parameter in network.parameters():  # what does not learn needs no more precision
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(torch.bfloat16)
    if config.checkpointing:
        recompute_activations(network)
    if world.mesh is not None:
        shard(network, world, bfloat16=bfloat16)
    return network.to_empty(device=world.device)


def _local(tensor: Tensor) -> Tensor:
    """This process's part."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor.detach()


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
