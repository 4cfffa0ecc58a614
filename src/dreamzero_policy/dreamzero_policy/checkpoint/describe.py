"""What a checkpoint is, in tables for people, from its headers and settings alone."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.fit import mismatches, time_base
from dreamzero_policy.checkpoint.key_maps import COMPONENTS, layout
from dreamzero_policy.checkpoint.load import build, describe
from dreamzero_policy.checkpoint.plain_config import Section
from dreamzero_policy.checkpoint.robot_facts import CONF, Experiment, RobotFacts
from dreamzero_policy.checkpoint.stored_weights import Contents, Weight, check_layout, read_contents
from dreamzero_policy.checkpoint.upstream_config import Recorded, read_config
from dreamzero_policy.weights.errors import CheckpointError


def tables(directory: Path, own_robots: Path | None = None) -> RenderableType:
    """Everything that can be said of a checkpoint without reading its weights.

    Args:
        directory: of the checkpoint.
        own_robots: folder of robots' files of an installation's own, which it may fit too.

    Raises:
        CheckpointError: its settings or headers cannot be read.
    """
    recorded = read_config(directory)
    contents = read_contents(directory)
    parts = [_identity(directory, recorded, contents), _components(directory, recorded, contents)]
    try:
        experiment = Experiment.read(directory)
        robots = [experiment.robot(tag) for tag in experiment.tags]
    except CheckpointError as error:
        parts.append(_note("robots", str(error)))
    else:
        parts += [_robot(recorded, facts) for facts in robots]
        parts.append(_fits(recorded, robots, own_robots))
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    """An empty table."""
    table = Table(*columns, title=Text(title), title_justify="left", show_header=len(columns) > 2)
    table.columns[0].style = "bold"
    return table


def _note(title: str, text: str) -> Table:
    """A table of one cell."""
    table = _table(title, "", "")
    table.add_row("", Text(text))
    return table


def _identity(directory: Path, recorded: Recorded, contents: Contents) -> Table:
    """What it is."""
    config = recorded.model
    height, width = config.latent_size
    table = _table(str(directory), "what", "value")
    kind = "adapters alone" if contents.alone else "all weights"
    if contents.adapters and not contents.alone:
        kind += " and adapters"
    rows = {
        "model": describe(directory, recorded),
        "preset": recorded.preset or "none",
        "trained": "no: random weights" if recorded.untrained else "yes",
        "contents": f"{kind} (train_architecture {recorded.train_architecture})",
        "base": _base(directory, recorded),
        "network": f"{config.model_type}, {config.num_layers} layers of {config.dim}, "
        f"{config.num_heads} heads",
        "latents": f"{config.out_dim} channels, {height}x{width}, {config.frame_seqlen} tokens "
        "per frame",
        "window": f"{config.window_frames} latent frames: the first and {config.max_chunk_size} "
        f"blocks of {config.num_frame_per_block}; trained on {config.usual_blocks}",
        "block": f"{config.num_action_per_block} actions, {config.num_state_per_block} state",
        "tokens of text": f"{config.text_len}, {config.text.tokenizer}",
    }
    if not config.trained_video:
        rows["trained"] += ", on actions alone (predict_video=false): predicts no video"
    if config.final_video_sigma is not None:
        rows["Flash"] = f"the video is left with noise of {config.final_video_sigma:g}"
    if recorded.tiled:
        rows["tiled"] = "the reference encodes observations in tiles, this project never does"
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _base(directory: Path, recorded: Recorded) -> str:
    """The checkpoint or the release that it was made from."""
    if recorded.base_name is not None:
        return f"{recorded.base_name} ({(recorded.base_fingerprint or 'no fingerprint')[:16]})"
    try:
        conf = Section.of_yaml(directory / CONF)
        return conf.text("pretrained_model_path", None) or conf.text("dit_version", None) or "-"
    except CheckpointError:
        return "-"


def _components(directory: Path, recorded: Recorded, contents: Contents) -> Table:
    """Parameters by component, and whether they are those of the model."""
    table = _table("tensors", "component", "tensors", "parameters", "stored as")
    for title, prefix in COMPONENTS.items():
        stored = [tensor for name, tensor in contents.tensors.items() if name.startswith(prefix)]
        kinds = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in stored})
        count = sum(prod(tensor.shape) for tensor in stored)
        table.add_row(title, f"{len(stored)}", f"{count:,}", ", ".join(kinds))
    halves = [half for pair in contents.adapters.values() for half in pair.values()]
    if halves:
        count = sum(prod(half.shape) for half in halves)
        table.add_row("adapters", f"{len(halves)}", f"{count:,}", f"rank {recorded.lora_rank}")
    total = [*contents.tensors.values(), *halves]
    count = sum(prod(tensor.shape) for tensor in total)
    table.add_row("total", f"{len(total)}", f"{count:,}", f"{_gigabytes(total):.2f} GB")
    if not contents.alone:
        try:
            found = {name: Weight(stored) for name, stored in contents.tensors.items()}
            check_layout(directory, layout(build(recorded.model)), found)
        except CheckpointError as error:
            table.caption = Text(str(error))
    return table


def _gigabytes(stored: list) -> float:
    """Size of tensors."""
    return sum(tensor.nbytes for tensor in stored) / 1e9


def _robot(recorded: Recorded, facts: RobotFacts) -> Table:
    """Cameras, keys and statistics of one robot."""
    table = _table(f"robot {facts.tag}", "what", "name", "columns", "normalised", "range")
    for view, size, rate in zip(facts.views, facts.native_sizes, facts.rates, strict=True):
        pixels = f"{size[0]}x{size[1]}" if size else "size not said"
        table.add_row("view", Text(view), "", "", f"{pixels} at {rate or '?'} Hz")
    for kind, keys, statistics in (
        ("state", facts.state_keys, facts.state_statistics),
        ("action", facts.action_keys, facts.action_statistics),
    ):
        for key in keys:
            found = statistics[key.name]
            low, high = np.min(found.q01), np.max(found.q99)
            relative = " relative" if key.relative else ""
            mode = facts.modes.get(f"{kind}.{key.name}", "not")
            table.add_row(
                *map(Text, (f"{kind}{relative}", key.name, f"{key.width}", mode)),
                Text(f"[{low:.4g}, {high:.4g}]"),
            )
    try:
        base = time_base(recorded.model, facts)
        seconds = base.rows_per_chunk / base.control_hz
        table.caption = (
            f"time base: {base.rows_per_chunk} rows at {base.control_hz} Hz, a frame every "
            f"{base.frame_stride} rows: chunks of {seconds:g} s"
        )
    except CheckpointError as error:
        table.caption = Text(str(error))
    return table


def _fits(recorded: Recorded, robots: list[RobotFacts], own: Path | None) -> Table:
    """What does not fit which robot of ours."""
    table = _table("robots of this project", "robot", "fits", "why not")
    for name, fits, why in _fit_rows(recorded, robots, own):
        table.add_row(name, fits, Text(why))
    return table


def _fit_rows(
    recorded: Recorded, robots: list[RobotFacts], own: Path | None
) -> Iterator[tuple[str, str, str]]:
    """(robot, yes or no, why not) for every robot of ours, and of the folder ``own``."""
    for name in embodiments.names(own):
        try:
            robot = embodiments.get(embodiments.locate(name, own))
        except ValueError as error:
            yield name, "no", str(error)
            continue
        facts = next((facts for facts in robots if facts.tag == robot.tag), None)
        if facts is None:
            yield name, "no", f"the checkpoint does not know the tag {robot.tag}"
            continue
        differ = mismatches(recorded.model, facts, robot)
        yield name, "no" if differ else "yes", "\n".join(differ)
