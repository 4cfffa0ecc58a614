"""Three ways to join chunks, side by side: `python benchmarks/seams.py`.

Streams of chunks that are late, irregular, lost and noisy run through the real controller in
virtual time, one run per strategy, delay, row noise and path; the robot follows perfectly. Reported
are the distance from the path, the jerk of the commands, the steps at seams, and holds; then a
policy without errors, as the goal has it; then inference that is slower than its chunks, held or
played slowly; then chunks that the real engine made. Everything is drawn from one seed.

The strategy that wins is found by a rule. In every cell (path, delay, noise) the strategies are
ranked by each of five figures: ticks held or limited, median and 99th percentile of the distance
from the path, peak jerk, velocity step at seams. Figures within 5 % of each other share their
ranks. The smallest sum of ranks over all cells wins, and the default wins a tie.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from chunk_player import Live, Recorded, play
from dreamzero_policy import embodiments
from dreamzero_policy.control.settings import CHOICES, ControllerSettings
from dreamzero_policy.types import NS_PER_S, ActionChunk, frozen
from ideal_path import PickAndPlace, SumOfSines
from record_streams import FILE
from results import FOLDER, save, show
from seam_figures import figures, figures_of_chunks
from seams_plot import plot
from synthetic_policy import Conditions, Path, SyntheticPolicy

STRATEGIES = CHOICES["seam"]
DELAYS_S, NOISES_RAD = (0.1, 0.3, 0.6, 1.0, 1.5), (0.0, 0.001, 0.005, 0.01)
SLOW_DELAYS_S = (0.8, 1.5, 3.0)
USUAL = {"jitter": 0.2, "loss": 0.1, "bias": 0.005, "drift": 0.02, "minds": 0.03}
"""A policy as one may expect it; the row noise comes on top."""

FRAMES_PER_S, REPLAN_FRAMES = 5, 3
MEASURES = ("lost", "error_p50", "error_p99", "jerk_ratio", "seam_velocity")
SAME = 0.05
GOAL_DELAY_S, GOAL_ERROR, GOAL_JERK = 0.3, 0.02, 1.2
"""With this delay and a policy without errors: distance from the path in shares of the range, and
peak jerk over the path's own."""

ROBOT = embodiments.get("droid")


def run(
    path: Path, conditions: Conditions, seed: int, seconds: float, **settings: object
) -> dict[str, float]:
    """The figures of one run."""
    policy = SyntheticPolicy(ROBOT, path, conditions, seed)
    source = Live(policy, FRAMES_PER_S, REPLAN_FRAMES)
    made = ControllerSettings(**settings)
    found = figures(ROBOT, play(ROBOT, made, source, seconds), path)
    return {**found, "lost": found["holding"] + found["limited"]}


def joined(
    paths: dict[str, Path],
    delays: tuple[float, ...],
    noises: tuple[float, ...],
    seconds: float,
    seed: int,
    **given: float,
) -> list[dict]:
    """Every strategy at every delay and noise on every path."""
    cells = itertools.product(paths.items(), delays, noises, STRATEGIES)
    return [
        {
            "path": name,
            "delay_s": delay,
            "noise_rad": noise,
            "seam": seam,
            **run(
                path,
                Conditions(delay, noise=noise, inpaints=seam == "real_time_chunking", **given),
                seed,
                seconds,
                seam=seam,
            ),
        }
        for (name, path), delay, noise, seam in cells
    ]


def slow(
    paths: dict[str, Path], delays: tuple[float, ...], seconds: float, seed: int
) -> list[dict]:
    """Delays beyond the chunk, with each way to deal with them, under the default strategy."""
    cells = itertools.product(paths.items(), delays, CHOICES["slow_inference"])
    return [
        {
            "path": name,
            "delay_s": delay,
            "slow_inference": way,
            **run(
                path,
                Conditions(delay, jitter=0.1, bias=0.005, drift=0.02, noise=0.001),
                seed,
                seconds,
                slow_inference=way,
                chunk_max_age_s=6.0,
            ),
        }
        for (name, path), delay, way in cells
    ]


def recorded(delays: tuple[float, ...], seed: int) -> list[dict]:
    """Chunks of the real engine under each strategy, with jitter and loss."""
    stored, rows = np.load(FILE), []
    step_ns, names = int(stored["step_ns"]), tuple(stored["joint_names"].tolist())
    for delay, seam in itertools.product(delays, STRATEGIES):
        stream = f"{'rtc' if seam == 'real_time_chunking' else 'plain'}_{delay}"
        observed, rows_of, prefixes = (
            stored[f"{stream}/{key}"] for key in ("observation_ns", "rows", "prefix_rows")
        )
        observed = observed - observed[0]
        chunks = [
            ActionChunk(int(at), int(at), step_ns, r, names, 1, k, prefix_rows=int(p))
            for k, (at, r, p) in enumerate(zip(observed, rows_of, prefixes, strict=True))
        ]
        rng = np.random.default_rng(seed)
        late = delay * np.exp(USUAL["jitter"] * rng.normal(size=len(chunks)))
        lost = rng.random(len(chunks)) < USUAL["loss"]
        arrivals = np.where(lost, -1, observed + np.rint(late * NS_PER_S).astype(np.int64))
        seconds = float(observed[-1] / NS_PER_S + delay)
        # The chunks do not see that this robot moves otherwise than the one they were made with.
        settings = ControllerSettings(seam=seam, first_row_max_step=1.0)
        played = play(ROBOT, settings, Recorded(chunks, frozen(arrivals)), seconds)
        rows.append({"delay_s": delay, "seam": seam, **figures_of_chunks(ROBOT, played)})
    return rows


def ranked(cells: list[dict]) -> dict[str, float]:
    """Mean rank of every strategy, 1 for the best, by the rule of this file's docstring."""
    ranks = dict.fromkeys(STRATEGIES, 0.0)
    groups = itertools.groupby(
        cells, lambda cell: (cell["path"], cell["delay_s"], cell["noise_rad"])
    )
    count = 0
    for _, group in groups:
        by_seam = {cell["seam"]: cell for cell in group}
        for measure in MEASURES:
            values = {seam: cell[measure] for seam, cell in by_seam.items()}
            for seam, value in values.items():
                better = sum(other < value * (1.0 - SAME) for other in values.values())
                worse = sum(other * (1.0 - SAME) > value for other in values.values())
                # The mean of the places that those who share this rank take up.
                ranks[seam] += (better + 1 + len(values) - worse) / 2.0
            count += 1
    return {seam: total / count for seam, total in ranks.items()}


def worst(cells: list[dict], **where: object) -> dict[str, float]:
    """The largest of every figure over the cells that match."""
    chosen = [cell for cell in cells if all(cell[key] == value for key, value in where.items())]
    numbers = [key for key, value in chosen[0].items() if not isinstance(value, str)]
    return {key: max(cell[key] for cell in chosen) for key in numbers}


def report(result: dict) -> None:
    """Prints the tables."""
    columns = ("delay s", "seam", "error p50 %", "p99 %", "max %", "peak jerk", "x path's",
               "step rad/s", "rad/s^2", "held %", "limited %", "speed")  # fmt: skip
    for noise in result["noises_rad"]:
        rows = []
        for delay, seam in itertools.product(result["delays_s"], STRATEGIES):
            w = worst(result["usual"], delay_s=delay, seam=seam, noise_rad=noise)
            rows.append(
                (
                    delay,
                    seam,
                    *(f"{100 * w[k]:.2f}" for k in ("error_p50", "error_p99", "error_max")),
                    f"{w['jerk']:.0f}",
                    f"{w['jerk_ratio']:.1f}",
                    f"{w['seam_velocity']:.3f}",
                    f"{w['seam_acceleration']:.2f}",
                    *(f"{100 * w[k]:.1f}" for k in ("holding", "limited")),
                    f"{w['playback']:.2f}",
                )
            )
        show(f"usual policy, {1e3 * noise:g} mrad of row noise: worst of the paths", columns, rows)
    columns = ("seam", "error max %", "peak jerk x path's", f"goal at {GOAL_DELAY_S} s")
    rows = [
        (
            seam,
            f"{100 * goal['error_max']:.3f}",
            f"{goal['jerk_ratio']:.2f}",
            "reached" if goal["reached"] else "missed",
        )
        for seam, goal in result["goal"].items()
    ]
    show("policy without errors", columns, rows)
    columns = ("path", "delay s", "slow_inference", "held %", "peak jerk", "path played s", "p99 %")
    rows = [
        (
            cell["path"],
            cell["delay_s"],
            cell["slow_inference"],
            f"{100 * cell['holding']:.0f}",
            f"{cell['jerk']:.0f}",
            f"{cell['along']:.1f}",
            f"{100 * cell['error_p99']:.2f}",
        )
        for cell in result["slow"]
    ]
    show("inference slower than the chunk", columns, rows)
    columns = ("delay s", "seam", "from its chunk p50 %", "peak jerk", "x chunks'", "held %")
    rows = [
        (
            cell["delay_s"],
            cell["seam"],
            f"{100 * cell['error_p50']:.2f}",
            f"{cell['jerk']:.0f}",
            f"{cell['jerk_ratio']:.2f}",
            f"{100 * cell['holding']:.1f}",
        )
        for cell in result["recorded"]
    ]
    show("chunks of the real engine (tiny, untrained)", columns, rows)
    rows = [(seam, f"{rank:.2f}") for seam, rank in result["mean_rank"].items()]
    show("mean rank, 1 is best", ("seam", "rank"), rows)
    print(f"wins: {result['wins']}")


def main() -> None:
    """Runs everything, prints tables and writes benchmarks/results/seams.json and seams.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="little of everything, nothing saved")
    args = parser.parse_args()
    seconds, noises, delays, slow_delays = 24.0, NOISES_RAD, DELAYS_S, SLOW_DELAYS_S
    if args.quick:
        seconds, noises, delays, slow_delays = 8.0, NOISES_RAD[1:2], DELAYS_S[1:2], (1.5,)
    paths: dict[str, Path] = {"sines": SumOfSines.of(ROBOT, args.seed)}
    if not args.quick:
        paths["pick_and_place"] = PickAndPlace.of(ROBOT, args.seed)
    usual = joined(paths, delays, noises, seconds, args.seed, **USUAL)
    sound = joined(paths, delays, (0.0,), seconds, args.seed)
    goal = {seam: worst(sound, delay_s=GOAL_DELAY_S, seam=seam) for seam in STRATEGIES}
    for w in goal.values():
        w["reached"] = w["error_max"] <= GOAL_ERROR and w["jerk_ratio"] <= GOAL_JERK
    ranks = ranked(usual)
    default = ControllerSettings().seam
    result = {
        "seed": args.seed,
        "delays_s": delays,
        "noises_rad": noises,
        "rule": " ".join(__doc__.split("\n\n")[-1].split()),
        "usual": usual,
        "sound": sound,
        "goal": goal,
        "slow": slow(paths, slow_delays, 2.0 * seconds, args.seed),
        "recorded": recorded(delays, args.seed),
        "mean_rank": ranks,
        "wins": min(ranks, key=lambda seam: (round(ranks[seam], 2), seam != default)),
    }
    report(result)
    if not args.quick:
        save("seams", result)
        plot(result, FOLDER / "seams.png")


if __name__ == "__main__":
    main()
