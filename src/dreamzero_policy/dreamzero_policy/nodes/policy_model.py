"""The model of the policy node, from its parameters: loaded, divided among ranks, warmed up."""

from __future__ import annotations

from dreamzero_policy.acceleration import prepare
from dreamzero_policy.acceleration.options import EngineOptions
from dreamzero_policy.embodiments.embodiment import Embodiment
from dreamzero_policy.inference.engine import Engine
from dreamzero_policy.parameters.policy_parameters import PolicyParameters
from dreamzero_policy.ranks.ranks import Ranks, Recipe


def warm_engine(settings: PolicyParameters, robot: Embodiment, device: str) -> Engine:
    """Loads the model and warms it up, which takes minutes for a large one.

    Args:
        settings: of the node.
        robot: that it drives.
        device: by torch's name.

    Raises:
        ValueError: a checkpoint or an option that cannot be used.
        RankError: a rank ended or did not come up; the others are closed.
    """
    options = settings.engine()
    ranks = _ranks(settings, robot, device, options) if settings.ranks > 1 else None
    try:
        weights = prepare.load(
            settings.checkpoint,
            robot,
            options,
            device=device,
            time_base=settings.time_base(robot),
        )
        engine = Engine(weights, weights.embodiment, options, ranks)
        engine.warm_up()
    except BaseException:
        if ranks is not None:
            ranks.close()
        raise
    return engine


def _ranks(
    settings: PolicyParameters, robot: Embodiment, device: str, options: EngineOptions
) -> Ranks:
    """Starts the processes that share the model; they load it meanwhile."""
    recipe = Recipe(
        source=settings.checkpoint,
        robot=settings.robot,
        device=device,
        time_base=settings.time_base(robot),
        options=options,
    )
    return Ranks(recipe, settings.ranks, answer_s=settings.rank_timeout_s)
