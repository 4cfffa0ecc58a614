"""``dreamzero train``: datasets to a checkpoint that a robot loads."""

from __future__ import annotations

import argparse
from pathlib import Path

_EXAMPLES = """examples:
  dreamzero train out/run --data out/kitchen --preset tiny
  dreamzero train out/run --data out/kitchen --preset posttrain --init ~/checkpoints/DreamZero-DROID
  dreamzero train out/run --data out/robot --data out/people,robot=human,video-only,weight=0.5 \\
      --preset video-transfer --init out/before/checkpoint
  dreamzero train out/run --data out/kitchen --preset tiny --set steps=500 --model dim=192
  torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint host:29500 \\
      -m dreamzero_policy.cli.main train out/run --data out/all --preset pretrain
It may be ended at any time: the same command goes on where the last state is. --check looks at the
data, prints what memory is needed, learns one batch and stops. The checkpoint is RUN/checkpoint.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declares the command."""
    parser = subparsers.add_parser(
        "train",
        help="train a policy on datasets",
        description="Trains a policy on LeRobot datasets, ours and the public DreamZero-DROID one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="PATH[,robot=NAME][,weight=NUMBER][,video-only]",
        help="a dataset; several make a mixture",
    )
    parser.add_argument("--preset", required=True, help="tiny, pretrain, posttrain, flash, ...")
    parser.add_argument("--init", help="checkpoint to begin from, or random:PRESET")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="another setting"
    )
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME=NUMBER", help="another size"
    )
    parser.add_argument("--cache", type=Path, help="folder of encoded windows (RUN/cache)")
    parser.add_argument(
        "--track", action="append", default=[], help="tensorboard or wandb, besides files"
    )
    parser.add_argument("--config-dir", type=Path, help="folder with robots/ROBOT.py of its own")
    parser.add_argument("--check", action="store_true", help="stop before the first step")


def run(args: argparse.Namespace) -> int:
    """Trains; the first process says what becomes of it."""
    from dataclasses import replace

    from dreamzero_policy.conversion.progress import progress
    from dreamzero_policy.mixture.dataset_spec import DatasetSpec
    from dreamzero_policy.training.config import preset
    from dreamzero_policy.training.train import Run, train

    config = preset(args.preset)
    if args.init:
        config = replace(config, init=args.init)
    asked = Run(
        folder=args.run_folder.expanduser(),
        config=config.changed(args.set),
        datasets=tuple(DatasetSpec.parse(text) for text in args.data),
        model_changes=tuple(args.model),
        cache=args.cache,
        trackers=tuple(args.track),
        robots=args.config_dir.expanduser() / "robots" if args.config_dir else None,
        check_only=args.check,
    )
    with progress() as tell:
        train(asked, say=print, tell=tell)
    return 0
