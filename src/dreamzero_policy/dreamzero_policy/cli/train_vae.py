"""``dreamzero train-vae``: the small video VAE that a miniature policy is trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero train-vae out/vae --data out/kitchen
  dreamzero train-vae out/vae --data out/droid --data out/yam --steps 4000
  dreamzero train out/run --data out/kitchen --preset tiny --init out/vae/checkpoint
  dreamzero train-vae out/drawn --data out/yam --init out/run/checkpoint     its decoder alone
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "train-vae",
        help="train the small video VAE of a miniature policy",
        description="Trains the video VAE of a miniature model; released models have theirs.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--data", action="append", required=True, help="a dataset, as for train")
    parser.add_argument("--init", default="random:tiny", help="random:PRESET, or a checkpoint")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=NUMBER", help="size")
    parser.add_argument("--steps", type=int, default=2000, help="optimizer steps (2000)")
    parser.add_argument("--batch", type=int, default=2, help="clips per step (2)")
    parser.add_argument("--rate", type=float, default=2e-3, help="highest learning rate (0.002)")
    parser.add_argument("--clips", type=int, default=600, help="clips held in memory (600)")
    parser.add_argument("--chunk-rows", type=int, default=0, help="rows of a chunk, as for train")
    parser.add_argument("--seed", type=int, default=42, help="of everything that is random (42)")
    parser.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py of its own")


def run(args: argparse.Namespace) -> int:
    """Trains, and says where the checkpoint is."""
    from dreamzero_policy.checkpoint.load import describe
    from dreamzero_policy.checkpoint.upstream_config import read_config
    from dreamzero_policy.conversion.progress import progress
    from dreamzero_policy.miniature.train_vae import VaeRun, train_vae
    from dreamzero_policy.mixture.dataset_spec import DatasetSpec

    asked = VaeRun(
        folder=args.run_folder.expanduser(),
        datasets=tuple(DatasetSpec.parse(text) for text in args.data),
        init=args.init,
        model_changes=tuple(args.model),
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.rate,
        clips=args.clips,
        chunk_rows=args.chunk_rows,
        seed=args.seed,
    )
    robots = args.config_dir.expanduser() / "robots" if args.config_dir else None
    with progress() as tell:
        path = train_vae(asked, robots, say=print, tell=tell)
        print(f"wrote {path}: {describe(path, read_config(path))}")
    return 0
