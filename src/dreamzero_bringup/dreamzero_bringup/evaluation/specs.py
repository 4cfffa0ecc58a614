"""What the user calls a policy: ``[LABEL=]SPEC``, and what stands behind it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.evaluation.policy import Hold, Policy

FORMS = "hold, expert, replay:RECORDINGS, ws://HOST:PORT, random:PRESET or a checkpoint's folder"


@dataclass(frozen=True)
class Spec:
    """A policy that was asked for.

    Attributes:
        label: what tables call it.
        source: as ``FORMS`` says.
        options: of the engine, where there is one.
        device: where it runs.
    """

    label: str
    source: str
    options: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def identity(self) -> str:
        """What decides how it acts: source, options and, of a checkpoint, the files it has now."""
        options = ", ".join(f"{name}={value}" for name, value in sorted(self.options.items()))
        text = f"{self.source} ({options})" if options else self.source
        if self.kind != "model" or self.source.startswith("random:"):
            return text
        folder, digest = Path(self.source), hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            known = path.stat()
            digest.update(
                f"{path.relative_to(folder)} {known.st_size} {known.st_mtime_ns}".encode()
            )
        return f"{text}, files {digest.hexdigest()[:12]}"

    @property
    def kind(self) -> str:
        """``hold``, ``expert``, ``replay``, ``remote`` or ``model``."""
        if self.source in ("hold", "expert"):
            return self.source
        if self.source.startswith("replay:"):
            return "replay"
        return "remote" if re.match("wss?://", self.source) else "model"


def parse(text: str, options: dict[str, Any] | None = None, device: str = "cpu") -> Spec:
    """A spec of what the user wrote.

    Raises:
        ValueError: nothing, or a label that no file can have in its name.
    """
    label, equals, source = text.partition("=")
    if not equals or "/" in label or ":" in label:
        label, source = "", text
    if not source:
        raise ValueError(f"policy: expected {FORMS}, got {text!r}")
    if not label:
        label = source if source in ("hold", "expert") else re.sub(r"\W+", "_", Path(source).name)
        label = label.strip("_") or "policy"
    if not re.fullmatch(r"[\w.-]+", label):
        raise ValueError(f"policy label: expected letters, digits, _ . and -, got {label!r}")
    spec = Spec(label, source, options or {}, device)
    if spec.kind == "model" and not source.startswith("random:"):
        folder = Path(source).expanduser()
        if not folder.is_dir():
            raise ValueError(f"policy: expected {FORMS}, got {source!r}: there is no such folder")
        spec = Spec(label, str(folder.resolve()), spec.options, device)
    return spec


def open_policy(spec: Spec, robot: Embodiment) -> Policy:
    """The policy of a spec, ready to be asked.

    Raises:
        ValueError: it is not there, or does not fit the robot.
    """
    if spec.kind == "hold":
        return Hold(robot)
    if spec.kind in ("expert", "replay"):
        from dreamzero_bringup.evaluation.told import ExpertPolicy, RecordedPolicy

        if spec.kind == "expert":
            return ExpertPolicy(robot)
        return RecordedPolicy(Path(spec.source.partition(":")[2]).expanduser(), robot)
    if spec.kind == "remote":
        from dreamzero_policy.evaluation.remote_policy import RemotePolicy

        return RemotePolicy(spec.source, robot)
    from dreamzero_policy.acceleration.options import EngineOptions
    from dreamzero_policy.evaluation.model_policy import ModelPolicy

    return ModelPolicy.load(spec.source, robot, EngineOptions(**spec.options), spec.device)
