"""Normalisation, relative actions and tiling against the reference."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamzero_policy import embodiments
from dreamzero_policy.embodiments.embodiment import Embodiment, Joint, Key, TimeBase, View
from dreamzero_policy.golden.report import EXACT, FLOAT32, FLOAT64, Case
from dreamzero_policy.normalize import ModelVectors, Normalizer, Statistics, relative_statistics
from dreamzero_policy.observation.prompt import NEGATIVE_PROMPT, render
from dreamzero_policy.observation.views import Tiler

_PARTS = ("min", "max", "mean", "std", "q01", "q99")
_UINT8_LEVELS = 1
"""How far a pixel may be off where another library resizes."""


def _tolerance(expected: Tensor) -> float:
    """That of the precision in which the reference left a value."""
    return FLOAT64 if expected.dtype == torch.float64 else FLOAT32


def check_normalizers(case: Case) -> None:
    """Every mode, forward and back, with one row of statistics and with one per chunk row."""
    prefixes = (("", "statistics"), ("horizon/", "per_horizon_statistics"))
    for prefix, scalar in prefixes:
        if scalar not in case.scalars:
            continue
        # Handed plain lists, as here, the reference's normaliser makes them float32; the policy's
        # own pipeline (the transforms) hands it float64 arrays, which it keeps.
        values = {part: np.float32(row) for part, row in case.scalar(scalar).items()}
        statistics = Statistics.from_mapping(scalar, values)
        for name in sorted(case.tensors):
            mode, _, direction = name.removeprefix(prefix).rpartition("/")
            if not name.startswith(prefix) or direction not in ("forward", "inverse"):
                continue
            if mode.startswith("horizon/"):
                continue
            normalizer = Normalizer(mode, statistics)
            source = case[f"{prefix}{'x' if direction == 'forward' else 'z'}"].numpy()
            expected = case[name]
            rows = source.reshape(-1, *np.shape(statistics.q01)) if prefix else source
            ours = getattr(normalizer, direction)(rows).reshape(expected.shape)
            case.compare(name, torch.as_tensor(np.array(ours)), _tolerance(expected))


def check_relative_statistics(case: Case) -> None:
    """Statistics of relative actions, pooled and per row of a chunk."""
    count = len(case.scalar("lengths"))
    actions, states = (
        [case[f"traj{i}/{what}"].numpy() for i in range(count)] for what in ("action", "state")
    )
    kinds = relative_statistics(actions, states, case.scalar("horizon"))
    for kind, statistics in zip(("pooled", "per_horizon"), kinds, strict=True):
        for part in _PARTS:
            ours = _tensor(getattr(statistics, part))
            case.compare(f"{kind}/{part}", ours, FLOAT64)


def check_transforms(case: Case) -> None:
    """Canvas, state, prompt, absolute actions and training vectors of one embodiment."""
    robot = _embodiment(case)
    statistics = {
        kind: {
            key: Statistics.from_mapping(f"{kind}.{key}", values)
            for key, values in case.scalar("statistics")[kind].items()
        }
        for kind in ("state", "action")
    }
    sizes = case.scalar("max_state_dim"), case.scalar("max_action_dim")
    vectors = ModelVectors(robot, statistics["state"], statistics["action"], *sizes)
    _check_canvases(case, robot)
    _check_prompts(case, robot)
    raw = _joined(case, "obs/state.", robot.state_keys)[-1]
    case.compare("input/state", _tensor(vectors.state(raw)).reshape(1, 1, -1), FLOAT64)
    mask = torch.as_tensor(vectors.state_mask).reshape(1, 1, -1)
    case.compare("input/state_mask", mask, EXACT)
    absolute = vectors.actions(case["output/normalized_action"][0].double().numpy(), raw)
    start = 0
    for key in robot.action_keys:
        name = f"output/action.{key.name}"
        columns = _tensor(absolute[:, start : start + key.width])[None]
        case.compare(name, columns, FLOAT32)  # of what the network gave, which is float32
        start += key.width
    _check_training(case, robot, vectors)


def _check_canvases(case: Case, robot: Embodiment) -> None:
    """Camera frames to canvases; a pixel may be one level off."""
    tiler, expected = Tiler(robot), case["input/images"][0]
    cameras = {view.name: case[f"obs/video.{view.key}"].numpy() for view in robot.views}
    for index, canvas in enumerate(expected):
        ours = tiler.canvas({name: frames[index] for name, frames in cameras.items()})
        levels = _UINT8_LEVELS / max(1, int(canvas.max()))
        case.compare_with(f"input/images {index}", torch.as_tensor(ours), canvas, levels)


def _check_prompts(case: Case, robot: Embodiment) -> None:
    """Prompts and the negative prompt, byte for byte."""
    negative, positive = case.scalar("prompt_inference")
    case.decide("negative prompt", NEGATIVE_PROMPT, negative)
    case.decide("prompt", render(robot.prompt, case.scalar("instruction")), positive)
    for number, example in enumerate(case.scalars.get("prompt_cases", [])):
        ours = render(robot.prompt, example["instruction"])
        case.decide(f"prompt case {number}", ours, example["prompt"])


def _check_training(case: Case, robot: Embodiment, vectors: ModelVectors) -> None:
    """Relative conversion and the vectors of a training sample."""
    if "relative/step_indices" in case.tensors:
        _check_relative(case, robot)
    if "train/out.state" not in case.tensors:
        return
    states = _joined(case, "train/state.", robot.state_keys)
    ours = np.stack([vectors.state(row) for row in states])
    case.compare("train/out.state", _tensor(ours), FLOAT64)
    case.compare("train/out.state_mask", _rows_of(vectors.state_mask, len(states)), EXACT)
    rows = case["train/out.action"].shape[0]
    case.compare("train/out.action_mask", _rows_of(vectors.action_mask, rows), EXACT)
    # The reference normalises what it has converted already: nothing is subtracted again.
    converted = _joined(case, "relative/converted.", robot.action_keys)
    standing = np.zeros(len(robot.state_joints))
    ours = vectors.normalised_actions(converted, standing)
    case.compare("train/out.action", _tensor(ours), FLOAT64)


def _check_relative(case: Case, robot: Embodiment) -> None:
    """Absolute actions minus the state at the first row of their chunk."""
    plain = {
        key.name: Statistics.from_mapping(
            key.name, {part: [float(part in ("std", "q99", "max"))] * key.width for part in _PARTS}
        )
        for key in (*robot.state_keys, *robot.action_keys)
    }
    sizes = len(robot.state_joints), len(robot.joints)
    vectors = ModelVectors(robot, plain, plain, *sizes, mode="mean_std")  # changes nothing else
    absolute = _joined(case, "relative/absolute.", robot.action_keys)
    steps, trajectory = case["relative/step_indices"], case["relative/state_trajectory"].numpy()
    horizon = case.scalar("action_horizon")
    chunks = [
        vectors.normalised_actions(absolute[i : i + horizon], trajectory[int(steps[i])])
        for i in range(0, len(absolute), horizon)
    ]
    ours, start = np.concatenate(chunks), 0
    for key in robot.action_keys:
        name = f"relative/converted.{key.name}"
        case.compare(name, _tensor(ours[:, start : start + key.width]), FLOAT64)
        start += key.width


def _embodiment(case: Case) -> Embodiment:
    """The robot of a case: its keys, cameras and sizes; layout and prompt are ours if we have them.

    Where no embodiment of ours has this tag, views fill top left, bottom left and top right, as the
    reference places them, and the template is taken from the case's own prompt.
    """
    tag, relative = case.scalar("embodiment"), set(case.scalar("relative_action_keys"))
    known = [robot for robot in map(embodiments.get, embodiments.names()) if robot.tag == tag]
    ours: Any = known[0] if known else SimpleNamespace(views=(), prompt=_template(case))
    widths = {
        kind: {key: len(values["q01"]) for key, values in case.scalar("statistics")[kind].items()}
        for kind in ("state", "action")
    }
    state_keys, action_keys = (
        tuple(
            Key(name, widths[kind][name], relative=kind == "action" and name in relative)
            for name in case.scalar(f"{kind}_order")
        )
        for kind in ("state", "action")
    )
    measured = {key.name for key in state_keys}
    joints = tuple(
        Joint(f"{key.name}.{i}", "revolute" if key.name in measured else "base", -9, 9, 1, 1, 1)
        for key in action_keys
        for i in range(key.width)
    )
    layout = {view.key: view for view in ours.views}
    places = ((0, 0), (1, 0), (0, 1))
    views = tuple(
        layout.get(key) or View(key, key, *places[i])
        for i, key in enumerate(case.scalar("video_order"))
    )
    width, height = case.scalar("camera_resolution_wh")
    return Embodiment(
        name=tag,
        tag=tag,
        joints=joints,
        state_joints=tuple(f"{key.name}.{i}" for key in state_keys for i in range(key.width)),
        state_keys=state_keys,
        action_keys=action_keys,
        views=views,
        native_size=(height, width),
        view_size=tuple(case.scalar("resize_hw")),
        time_base=TimeBase(15, 1, case.scalar("action_horizon"), case.scalar("action_horizon")),
        prompt=ours.prompt,
        home=(0.0,) * len(joints),
    )


def _template(case: Case) -> str:
    """The prompt of a case with ``{}`` where the instruction stands."""
    return case.scalar("prompt_inference")[1].replace(case.scalar("instruction").lower(), "{}")


def _joined(case: Case, prefix: str, keys: tuple[Key, ...]) -> np.ndarray:
    """The columns of all keys side by side, [rows, D] float64."""
    return np.concatenate([case[prefix + key.name].double().numpy() for key in keys], axis=-1)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(np.asarray(values))


def _rows_of(mask: np.ndarray, rows: int) -> Tensor:
    """A mask repeated for every row."""
    return torch.as_tensor(mask).expand(rows, -1)
