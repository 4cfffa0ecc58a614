"""Whether the checkpoint is this robot's and fits on the GPU, from its headers alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from dreamzero_bringup.doctor.finding import Finding, failed, passed, skipped, warned
from dreamzero_bringup.doctor.machine_checks import size
from dreamzero_bringup.facts.machine_facts import MachineFacts
from dreamzero_policy.embodiments.embodiment import Embodiment, TimeBase

if TYPE_CHECKING:  # they import torch, which a robot's host has not
    from dreamzero_policy.acceleration.options import EngineOptions
    from dreamzero_policy.model.config import ModelConfig

_RANDOM = re.compile(r"random:(\w+)(?::\d+)?")


@dataclass(frozen=True)
class CheckpointFacts:
    """A checkpoint beside a robot.

    Attributes:
        source: folder or ``random:PRESET``.
        description: one line for people.
        untrained: whether the weights are random.
        error: why it cannot be read; empty where it can.
        differences: everything in which it differs from the robot: a sentence each, and what
            differs, the robot's and its own, where there are two sides.
        parameters: how many numbers its weights are.
        gpu_bytes: that a GPU needs, as the policy's parameters say that it is to be run.
        cpu_bytes: that the main memory needs where there is none.
        run: those parameters, in words.
    """

    source: str
    description: str = ""
    untrained: bool = False
    error: str = ""
    differences: tuple[tuple[str, tuple[str, str, str] | None], ...] = ()
    parameters: int = 0
    gpu_bytes: int = 0
    cpu_bytes: int = 0
    run: str = ""


def look(
    source: str,
    robot: Embodiment,
    time_base: TimeBase | None,
    options: EngineOptions | None = None,
) -> CheckpointFacts:
    """Reads settings and headers, no weights.

    Args:
        source: folder or ``random:PRESET``.
        robot: the robot that it should be of.
        time_base: what it should have; None: its own, whatever it is.
        options: how it is to be run; None: as by default.

    Raises:
        ImportError: torch is not installed here.
    """
    try:
        if named := _RANDOM.fullmatch(source):
            return _random(source, named[1], options)
        return _stored(source, robot, time_base, options)
    except ValueError as error:
        return CheckpointFacts(source, error=str(error))


def _random(source: str, name: str, options: EngineOptions | None) -> CheckpointFacts:
    from dreamzero_policy.checkpoint.load import build
    from dreamzero_policy.model.presets import preset

    config = preset(name)
    return CheckpointFacts(
        source,
        description=f"untrained: random weights, preset {name}",
        untrained=True,
        parameters=sum(parameter.numel() for parameter in build(config).parameters()),
        **_memory(config, options),
    )


def _stored(
    source: str,
    robot: Embodiment,
    time_base: TimeBase | None,
    options: EngineOptions | None,
) -> CheckpointFacts:
    from dreamzero_policy.checkpoint.fit import mismatches, sides
    from dreamzero_policy.checkpoint.load import describe
    from dreamzero_policy.checkpoint.robot_facts import Experiment
    from dreamzero_policy.checkpoint.stored_weights import read_contents
    from dreamzero_policy.checkpoint.upstream_config import read_config

    directory = Path(source).expanduser()
    if not directory.is_dir():
        raise ValueError(f"expected a checkpoint's directory or random:PRESET, got {source}")
    recorded, experiment = read_config(directory), Experiment.read(directory)
    contents = read_contents(directory)
    if robot.tag in experiment.tags:
        facts = experiment.robot(robot.tag)
        sentences = mismatches(recorded.model, facts, robot, time_base)
    else:
        tags = ", ".join(experiment.tags) or "none"
        sentences = [f"embodiment tag: expected {robot.tag} as the robot has, got {tags}"]
    return CheckpointFacts(
        source,
        description=describe(directory, recorded),
        untrained=recorded.untrained is not None,
        differences=tuple((text, sides(text)) for text in sentences),
        parameters=sum(prod(tensor.shape) for tensor in contents.tensors.values()),
        **_memory(recorded.model, options),
    )


def _memory(config: ModelConfig, options: EngineOptions | None) -> dict[str, object]:
    """What inference takes, and how it is run."""
    from dreamzero_policy.acceleration import memory, prepare
    from dreamzero_policy.acceleration.options import EngineOptions

    options = options or EngineOptions()
    gpu, cpu = (
        memory.estimate(config, prepare.use(config, options, kind), kind).total
        for kind in ("cuda", "cpu")
    )
    caches = prepare.branches(config, options)
    words = f"precision {options.precision}, {caches} {'caches' if caches > 1 else 'cache'}"
    return {"gpu_bytes": gpu, "cpu_bytes": cpu, "run": words}


def check(facts: CheckpointFacts, robot: Embodiment) -> Iterator[Finding]:
    """Whether it is this robot's; one row per difference, both sides beside each other."""
    inspect = f"dreamzero checkpoint inspect {facts.source}"
    if facts.error:
        yield failed("checkpoint", facts.error, fix="policy.checkpoint, or --checkpoint DIR")
        return
    if facts.untrained:
        yield warned(
            "checkpoint",
            f"{facts.source} ({facts.description}): the motion has no purpose",
            fix="dreamzero up ... --checkpoint DIR, or policy.checkpoint",
        )
    else:
        yield passed("checkpoint", f"{facts.source} ({facts.description})")
    for text, parts in facts.differences:
        what, ours, its = parts or ("fit", "", text)
        yield failed(
            what,
            f"checkpoint: {its}" if parts else its,
            expected=f"{ours}, as the robot {robot.name} has" if parts else "",
            fix=f"take a checkpoint of this robot ({inspect}), or start its robot",
        )
    if not facts.differences and not facts.untrained:
        yield passed("fit", f"views, joints, units and times are those of {robot.name}")


def check_memory(facts: CheckpointFacts, machine: MachineFacts) -> Iterator[Finding]:
    """Whether there is a GPU that holds it, or else memory enough without one."""
    if facts.error:
        yield skipped("memory for the model", "the checkpoint cannot be read")
        return
    if machine.gpus:
        yield _on_gpu(facts, machine)
        return
    need = facts.cpu_bytes
    found = f"no NVIDIA GPU; {size(machine.memory_free)} of main memory free"
    wanted = f"{size(need)} for {facts.parameters / 1e6:,.0f} M parameters in float32"
    fix = "run the policy on a host with a GPU: dreamzero up ... --side policy"
    if machine.memory_free < need:
        yield failed("GPU", found, expected=f"a GPU, or {wanted}", fix=fix)
    elif facts.parameters > 1e9:
        yield warned("GPU", found, expected="a GPU: a model this large is too slow here", fix=fix)
    else:
        yield passed("GPU", f"none; a model this small runs without ({wanted})")


def _on_gpu(facts: CheckpointFacts, machine: MachineFacts) -> Finding:
    """The first GPU, which is what the policy takes."""
    gpu, need = machine.gpus[0], facts.gpu_bytes
    found = f"{gpu.name}: {size(gpu.free)} free of {size(gpu.total)}, driver {gpu.driver}"
    if machine.cuda_error:
        return failed(
            "GPU",
            f"{found}; torch cannot use it: {machine.cuda_error}",
            fix="pip install -r requirements/policy.txt, and a driver as new as its CUDA",
        )
    wanted = f"{size(need)} for {facts.parameters / 1e9:.2f} G parameters: {facts.run}"
    if gpu.free >= need:
        return passed("GPU", f"{found}; needs {wanted}")
    return failed(
        "GPU", found, expected=wanted, fix="nvidia-smi shows who else uses it; end that, or "
        "policy.precision=fp8, policy.text_encoder=cpu, policy.guidance_scale=1.0",
    )  # fmt: skip
