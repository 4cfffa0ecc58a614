"""What ``dreamzero evaluate --dataset`` does: the episodes that are missing, then the page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from dreamzero_bringup.evaluation import open_loop_page
from dreamzero_bringup.evaluation.specs import Spec, open_policy
from dreamzero_policy import embodiments
from dreamzero_policy.datasets.lerobot_reader import LeRobotDataset
from dreamzero_policy.evaluation.film import Film
from dreamzero_policy.evaluation.open_loop import Scores, score
from dreamzero_policy.evaluation.policy import Policy
from dreamzero_policy.types import NS_PER_S, Image

SETTINGS, ROWS, FILMS = "open_loop_settings.json", "episodes.jsonl", "films"

Tell = Callable[[str, int, int], None]


def evaluate(
    robot_name: str,
    specs: Sequence[Spec],
    dataset: Path,
    episodes: Sequence[int],
    folder: Path,
    *,
    video: bool = True,
    films: int = 2,
    tell: Tell = lambda stage, done, total: None,
) -> tuple[dict[str, Scores], Path]:
    """Scores policies on the episodes of a dataset.

    Args:
        robot_name: of the embodiment.
        specs: who is asked.
        dataset: folder of a LeRobot dataset.
        episodes: which; empty for all.
        folder: of the evaluation.
        video: whether predicted pictures are decoded and compared.
        films: of each policy, the first so many episodes.
        tell: told how many episodes are done of how many.

    Returns:
        The scores by label, and the page.

    Raises:
        ValueError: a policy, dataset or folder that cannot be used; what was made is kept.
    """
    if not specs:
        raise ValueError("policies: expected at least one, got none")
    robot = embodiments.get(robot_name)
    dataset, folder = dataset.expanduser().resolve(), folder.expanduser().resolve()
    known = [entry.index for entry in LeRobotDataset(dataset).episodes]
    chosen = list(episodes) or known
    if unknown := sorted(set(chosen) - set(known)):
        raise ValueError(f"{dataset}: expected episodes of 0 to {len(known) - 1}, got {unknown}")
    opened = {spec.label: open_policy(spec, robot) for spec in specs}
    if len(opened) != len(specs):
        raise ValueError("policies: expected each label once")
    bases = {policy.embodiment.time_base for policy in opened.values()}
    if len(bases) > 1:
        opened, bases = _one_time_base(specs, opened)
    described = {label: policy.description for label, policy in opened.items()}
    sources = {spec.label: spec.identity for spec in specs}
    _claim(folder, {"robot": robot_name, "dataset": str(dataset), "video": video}, sources)
    rows = _read(folder / ROWS)
    total, done = len(chosen) * len(specs), 0
    shown: list[str] = []
    for label, policy in opened.items():
        for index in chosen:
            film = f"{FILMS}/{label}_{index}.mp4" if chosen.index(index) < films else ""
            if (label, index) not in rows:
                try:
                    one = _score(policy, dataset, index, video, folder, film, label)
                    _add(folder / ROWS, label, index, one)
                except OSError as error:
                    raise ValueError(f"{folder}: {error}; what was made is kept") from error
                rows[label, index] = one
            if film and (folder / film).is_file():
                shown.append(film)
            done += 1
            tell("episodes", done, total)
    scores = {}
    for label, policy in opened.items():
        scores[label] = Scores.empty(policy.embodiment)
        for index in chosen:
            scores[label].add(rows[label, index])
    layout = next(iter(opened.values())).embodiment
    untrained = [label for label, policy in opened.items() if policy.untrained]
    page = open_loop_page.write(
        folder, layout, str(dataset), scores, described, untrained, shown
    )  # fmt: skip
    return scores, page


def _one_time_base(
    specs: Sequence[Spec], opened: dict[str, Policy]
) -> tuple[dict[str, Policy], set]:
    """Policies without a time base of their own take that of the one that has.

    Raises:
        ValueError: checkpoints of two time bases, whose chunks cannot be compared.
    """
    models = {opened[s.label].embodiment.time_base for s in specs if s.kind == "model"}
    if len(models) != 1:
        raise ValueError("policies: expected checkpoints that divide time alike, got several")
    robot = next(opened[s.label].embodiment for s in specs if s.kind == "model")
    fitted = {
        spec.label: opened[spec.label] if spec.kind == "model" else open_policy(spec, robot)
        for spec in specs
    }
    return fitted, models


def _score(
    policy: Policy, dataset: Path, index: int, video: bool, folder: Path, film: str, label: str
) -> Scores:
    if not film:
        return score(policy, dataset, index, video=video)
    (folder / FILMS).mkdir(exist_ok=True)
    base = policy.embodiment.time_base
    text = label + (" (untrained)" if policy.untrained else "")
    with Film(folder / film, base.frame_hz * policy.canvases_per_frame, video) as writer:
        began: list[int] = []

        def watch(now_ns: int, canvas: Image, expected: Image | None) -> None:
            began.append(now_ns)
            writer.add(canvas, expected, f"{text}  {(now_ns - began[0]) / NS_PER_S:5.1f} s")

        return score(policy, dataset, index, video=video, watch=watch)


def _claim(folder: Path, plain: dict[str, object], sources: dict[str, str]) -> None:
    """Writes down what the folder is for, or checks that it is for this.

    Raises:
        ValueError: it is for something else.
    """
    path = folder / SETTINGS
    if path.exists():
        try:
            known = json.loads(path.read_text())
            before, given = known["wanted"], known["sources"]
        except (ValueError, KeyError) as error:
            raise ValueError(f"{path}: expected an evaluation's settings, got {error!r}") from error
        clash = [label for label, what in sources.items() if given.get(label, what) != what]
        if before != plain or clash:
            raise ValueError(
                f"{folder} holds another evaluation ({before}, {given}): take another folder"
            )
        sources = {**given, **sources}
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: expected a new folder or one of an open-loop evaluation")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"wanted": plain, "sources": sources}, indent=2) + "\n")


def _add(path: Path, label: str, index: int, one: Scores) -> None:
    with open(path, "a") as file:
        file.write(json.dumps({"policy": label, "episode": index, **one.plain()}) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[tuple[str, int], Scores]:
    """What was scored before; a last line that was cut off is taken away.

    Raises:
        ValueError: a line in the middle cannot be read.
    """
    if not path.exists():
        return {}
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    found = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            plain = json.loads(line)
            found[plain["policy"], int(plain["episode"])] = Scores.of_plain(plain)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}: expected scores, got {error!r}") from error
    return found
