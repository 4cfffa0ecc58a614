"""What a checkpoint says of the robots it was trained on (design: model.md 8.5, data.md 2.4).

``experiment_cfg/conf.yaml`` has orders, normalisation and time steps,
``experiment_cfg/metadata.json`` statistics and resolutions, both by embodiment tag. Statistics
exist for more keys than a run uses and in alphabetical order: the order always comes from the
    concatenation in ``conf.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamzero_policy.checkpoint.plain_config import Section
from dreamzero_policy.embodiments.embodiment import Embodiment, Key
from dreamzero_policy.normalize import Statistics
from dreamzero_policy.weights.errors import CheckpointError

CONF = "experiment_cfg/conf.yaml"
METADATA = "experiment_cfg/metadata.json"
_SIX = ("max", "min", "mean", "std", "q01", "q99")
_LARGEST_WIDTH = 1024  # columns of one key


@dataclass(frozen=True)
class RobotFacts:
    """One embodiment tag of a checkpoint.

    Attributes:
        tag: as the checkpoint calls the robot.
        views: camera keys in order, without the ``video.`` prefix.
        native_sizes: (height, width) of each view as it was recorded, None where it is not said.
        rates: frames per second of each view's recording, which is the control rate.
        state_keys, action_keys: in concatenation order, with their widths.
        modes: normalisation of every key, by ``state.`` or ``action.`` and its name.
        state_statistics, action_statistics: by key name.
        crop: part of height and width that is kept, None where nothing is cropped.
        view_size: (height, width) of a view in the canvas, None where it is not resized.
        action_rows: rows of a chunk as the data were cut, None where it is not said.
    """

    tag: str
    views: tuple[str, ...]
    native_sizes: tuple[tuple[int, int] | None, ...]
    rates: tuple[float | None, ...]
    state_keys: tuple[Key, ...]
    action_keys: tuple[Key, ...]
    modes: Mapping[str, str]
    state_statistics: Mapping[str, Statistics]
    action_statistics: Mapping[str, Statistics]
    crop: float | None
    view_size: tuple[int, int] | None
    action_rows: int | None


@dataclass(frozen=True)
class Experiment:
    """Both files of ``experiment_cfg``, parsed once.

    Attributes:
        conf: ``conf.yaml``.
        metadata: ``metadata.json``.
    """

    conf: Section
    metadata: Section

    @classmethod
    def read(cls, directory: Path) -> Experiment:
        """Reads ``experiment_cfg``.

        Raises:
            CheckpointError: a file is missing or not plain data.
        """
        missing = [name for name in (CONF, METADATA) if not (directory / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{directory}: {' and '.join(missing)} missing: without them neither the order of "
                "joints nor their statistics are known; download the folder experiment_cfg as well"
            )
        return cls(Section.of_yaml(directory / CONF), Section.of_json(directory / METADATA))

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the robots that have statistics."""
        return self.metadata.names()

    def robot(self, tag: str) -> RobotFacts:
        """What is said of one robot.

        Raises:
            CheckpointError: nothing, or something that makes no sense.
        """
        if tag not in self.tags:
            raise CheckpointError(
                f"{METADATA}: no robot {tag!r}; this checkpoint knows "
                f"{', '.join(self.tags) or 'none'}"
            )
        steps = self._steps(tag)
        modalities = self.conf.section("modality_configs").section(tag)
        described = self.metadata.section(tag)
        orders = {
            kind: self._order(kind, steps, modalities) for kind in ("video", "state", "action")
        }
        statistics = {
            kind: _statistics(described, kind, orders[kind]) for kind in ("state", "action")
        }
        relative = self._relative_keys()
        keys = {
            kind: tuple(
                Key(name, found.width, relative=kind == "action" and name in relative)
                for name, found in statistics[kind].items()
            )
            for kind in ("state", "action")
        }
        videos = described.section("modalities").section("video")
        views = [videos.section(view) if view in videos else None for view in orders["video"]]
        return RobotFacts(
            tag=tag,
            views=orders["video"],
            native_sizes=tuple(view and _resolution(view) for view in views),
            rates=tuple(view.number("fps", None) if view else None for view in views),
            state_keys=keys["state"],
            action_keys=keys["action"],
            modes=_modes(steps),
            state_statistics=statistics["state"],
            action_statistics=statistics["action"],
            crop=_first(step.number("scale", None) for step in steps if "scale" in step),
            view_size=_first(
                (step.whole("height"), step.whole("width")) for step in steps if "height" in step
            ),
            action_rows=_rows(modalities),
        )

    def _steps(self, tag: str) -> list[Section]:
        """The transforms of one robot, in order."""
        transform = self.conf.section("transforms").section(tag)
        where = f"transforms.{tag}"
        return [
            transform.sub(f"{where}[{number}]", step)
            for number, step in enumerate(transform.items("transforms"))
            if isinstance(step, dict)
        ]

    def _order(self, kind: str, steps: list[Section], modalities: Section) -> tuple[str, ...]:
        """Keys of one kind in concatenation order, without their prefix."""
        name = f"{kind}_concat_order"
        order = _first(step.texts(name) for step in steps if name in step)
        if order is None:
            order = modalities.section(kind).texts("modality_keys")
        keys = tuple(key.removeprefix(f"{kind}.") for key in order)
        if not keys or len(set(keys)) != len(keys):
            raise CheckpointError(f"{CONF}: {name}: expected different keys, got {list(order)}")
        return keys

    def _relative_keys(self) -> tuple[str, ...]:
        """Action keys that are relative to the state, without their prefix."""
        if not self.conf.flag("relative_action", False):
            return ()
        keys = self.conf.texts("relative_action_keys", ())
        return tuple(key.removeprefix("action.") for key in keys)


def _first(values: Any) -> Any:
    """The first of some values, None where there are none."""
    return next(iter(values), None)


def _modes(steps: list[Section]) -> dict[str, str]:
    """Normalisation mode by prefixed key."""
    modes: dict[str, str] = {}
    for step in steps:
        if "normalization_modes" in step:
            section = step.section("normalization_modes")
            modes |= {key: section.text(key) for key in section.names()}
    return modes


def _statistics(described: Section, kind: str, order: tuple[str, ...]) -> dict[str, Statistics]:
    """Statistics of the keys in use, in their order."""
    section = described.section("statistics").section(kind)
    shapes = described.section("modalities")
    found: dict[str, Statistics] = {}
    for name in order:
        key = section.section(name)
        try:
            found[name] = Statistics.from_mapping(
                f"{kind}.{name}", {entry: _numbers(key, entry) for entry in _SIX}
            )
        except ValueError as error:
            raise CheckpointError(f"{METADATA}: {error}") from error
        declared = _declared_width(shapes, kind, name)
        if declared not in (None, found[name].width) or found[name].width > _LARGEST_WIDTH:
            raise CheckpointError(
                f"{METADATA}: {kind}.{name}: statistics of {found[name].width} columns, "
                f"the modality has {declared}"
            )
    return found


def _numbers(key: Section, entry: str) -> list[Any]:
    """One list of statistics: numbers, or a list of numbers for each row of a chunk."""
    values = key.items(entry)
    rows = values if values and all(isinstance(row, list) for row in values) else [values]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {0}:
        raise CheckpointError(f"{key.where}: {entry}: expected rows of equal length")
    for row in rows:
        if not all(type(value) in (int, float) and abs(value) < 1e30 for value in row):
            raise CheckpointError(f"{key.where}: {entry}: expected numbers, got {str(row)[:100]}")
    return values


def _declared_width(shapes: Section, kind: str, name: str) -> int | None:
    """Columns of a key as its modality states them, None where it does not."""
    section = shapes.section(kind) if kind in shapes else None
    if section is None or name not in section or "shape" not in section.section(name):
        return None
    shape = section.section(name).items("shape")
    return shape[0] if len(shape) == 1 and type(shape[0]) is int else -1


def _resolution(view: Section) -> tuple[int, int] | None:
    """(height, width) of a view; the file has [width, height]."""
    size = view.items("resolution", None)
    if size is None:
        return None
    if len(size) != 2 or not all(type(n) is int and n > 0 for n in size):
        raise CheckpointError(f"{view.where}: resolution: expected [width, height], got {size}")
    return size[1], size[0]


def _rows(modalities: Section) -> int | None:
    """Rows of a chunk as the data were cut."""
    if "action" not in modalities:
        return None
    indices = modalities.section("action").items("delta_indices", None)
    return None if indices is None else len(indices)


def experiment_files(
    facts: RobotFacts, embodiment: Embodiment
) -> tuple[dict[str, Any], dict[str, Any]]:
    """``conf.yaml`` and ``metadata.json`` in the released layout, as plain data.

    Args:
        facts: what they are to say.
        embodiment: the robot, for what the facts leave open.
    """
    keys = {"state": facts.state_keys, "action": facts.action_keys}
    views = [f"video.{view}" for view in facts.views]
    prefixed = {kind: [f"{kind}.{key.name}" for key in found] for kind, found in keys.items()}
    frames = embodiment.time_base.frames_per_chunk * embodiment.time_base.frame_stride
    steps: list[dict[str, Any]] = [
        _step("VideoCrop", apply_to=views, scale=facts.crop, mode="random")
    ]
    if facts.view_size is not None:
        height, width = facts.view_size
        steps.append(_step("VideoResize", apply_to=views, height=height, width=width))
    steps += [
        _step(
            "StateActionTransform",
            apply_to=prefixed[kind],
            normalization_modes={key: facts.modes[key] for key in prefixed[kind]},
        )
        for kind in keys
    ]
    steps.append(
        _step(
            "ConcatTransform",
            video_concat_order=views,
            state_concat_order=prefixed["state"],
            action_concat_order=prefixed["action"],
        )
    )
    modality_config = {
        "video": {
            "delta_indices": list(range(frames + 1)),
            "eval_delta_indices": [0],
            "modality_keys": views,
        },
        "state": {"delta_indices": [0], "modality_keys": prefixed["state"]},
        "action": {
            "delta_indices": list(range(facts.action_rows or frames)),
            "modality_keys": prefixed["action"],
        },
    }
    relative = [key.name for key in facts.action_keys if key.relative]
    conf = {
        "modality_configs": {facts.tag: modality_config},
        "transforms": {facts.tag: {"transforms": steps}},
        "relative_action": bool(relative),
        "relative_action_keys": relative,
        "relative_action_per_horizon": False,
        "eval_bf16": True,
        "save_lora_only": False,
    }
    return conf, _metadata(facts)


def _step(name: str, **settings: object) -> dict[str, Any]:
    """One transform as the reference writes it, the name of its class in front."""
    return {"_target_": f"groot.vla.data.transform.{name}", **settings}


def _metadata(facts: RobotFacts) -> dict[str, Any]:
    """``metadata.json`` of one robot."""
    statistics = {"state": facts.state_statistics, "action": facts.action_statistics}
    entry = {
        "statistics": {
            kind: {
                name: {entry: getattr(found, entry).tolist() for entry in _SIX}
                for name, found in sorted(by_name.items())
            }
            for kind, by_name in statistics.items()
        },
        "modalities": {
            "video": {
                view: {"resolution": [size[1], size[0]], "channels": 3, "fps": rate}
                for view, size, rate in zip(
                    facts.views, facts.native_sizes, facts.rates, strict=True
                )
                if size is not None
            },
            **{
                kind: {
                    name: {
                        "absolute": True,
                        "rotation_type": None,
                        "shape": [found.width],
                        "continuous": True,
                    }
                    for name, found in sorted(by_name.items())
                }
                for kind, by_name in statistics.items()
            },
        },
        "embodiment_tag": facts.tag,
    }
    return {facts.tag: entry}
