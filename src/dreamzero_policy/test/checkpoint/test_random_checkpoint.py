"""Every kind of public checkpoint, made small: looked at, checked, loaded, run; and mixed up."""

import numpy as np
import pytest
from rich.console import Console

from dreamzero_policy import embodiments
from dreamzero_policy.checkpoint.describe import tables
from dreamzero_policy.checkpoint.load import load
from dreamzero_policy.checkpoint.random_checkpoint import make_random
from dreamzero_policy.checkpoint.verify import verify
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.weights.errors import CheckpointError

SMALL = (
    *("dim=48", "ffn_dim=64", "num_heads=4", "num_layers=1", "hidden_size=16", "freq_dim=32"),
    *("text_dim=32", "text_len=64", "text.dim=32", "text.ffn_dim=32", "text.head_dim=8"),
    *("text.num_heads=2", "text.num_layers=1", "text.vocab_size=259"),
    *("clip_dim=32", "image.dim=32", "image.ffn_dim=32", "image.num_heads=2"),
    *("image.num_layers=2", "image.projection_dim=16"),
    *("vae.base_dim=4", "vae.decoder_base_dim=4", "vae.num_res_blocks=1"),
)
KINDS = [
    (p, r) for p in ("droid_14b", "agibot_14b", "wan22_5b", "tiny") for r in embodiments.names()
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(preset, robot) -> a directory, made once."""
    folder, known = tmp_path_factory.mktemp("kinds"), {}

    def make(preset, robot):
        path = folder / f"{preset}-{robot}"
        if path not in known:
            known[path] = make_random(
                preset, path, embodiments.get(robot), changes=SMALL, dtype="float32"
            )
        return path

    return make


@pytest.mark.parametrize(("preset", "robot"), KINDS)
def test_every_preset_for_every_robot_is_whole_and_loads(made, preset, robot):
    path, ours = made(preset, robot), embodiments.get(robot)
    assert [f.detail for f in verify(path) if not f.passed] == []
    loaded = load(path, ours)
    assert loaded.untrained
    assert loaded.time_base == ours.time_base
    assert loaded.config.num_action_per_block == ours.time_base.rows_per_chunk
    size = (160, 320) if preset == "wan22_5b" else (176, 320)
    assert loaded.embodiment.view_size == size


@pytest.mark.parametrize(("preset", "robot"), KINDS)
def test_a_description_says_which_robot_it_fits(made, preset, robot):
    console = Console(width=250, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(tables(made(preset, robot)))
    lines = console.export_text().partition("robots of this project")[2].splitlines()
    fits = {words[1]: words[3] for words in map(str.split, lines) if len(words) > 4}
    assert {name: fits[name] for name in embodiments.names()} == {
        name: "yes" if name == robot else "no" for name in embodiments.names()
    }


@pytest.mark.parametrize("robot", embodiments.names())
@pytest.mark.parametrize("other", embodiments.names())
def test_a_checkpoint_of_another_robot_is_refused_with_every_difference(made, robot, other):
    if robot == other:
        return
    theirs = embodiments.get(other)
    with pytest.raises(CheckpointError) as caught:
        load(made("tiny", robot), theirs)
    message = str(caught.value)
    tag = embodiments.get(robot).tag
    assert f"no robot '{theirs.tag}'; this checkpoint knows {tag}" in message
    for part in ("view order:\n    robot ", "state keys:\n    robot ", "\n    checkpoint  [",
                 "recorded view"):  # fmt: skip
        assert part in message, message


@pytest.mark.parametrize(
    ("preset", "robot", "rows"),
    [
        ("wan22_5b", "droid", (24, 8)),
        ("agibot_14b", "agibot_g1", (48, 22)),
        ("wan22_5b", "yam", (24, 14)),
        pytest.param("droid_14b", "droid", (24, 8), marks=pytest.mark.slow),
    ],
)
def test_a_checkpoint_gives_a_chunk_for_its_robot(made, preset, robot, rows):
    loaded = load(made(preset, robot), embodiments.get(robot))
    engine = Engine(loaded, loaded.embodiment, EngineOptions(guidance_scale=1, evaluations=5))
    seen = loaded.embodiment.example(frames=1)
    inference = engine.infer(engine.new_session(1), seen)
    assert inference.chunk.rows.shape == rows
    assert np.isfinite(inference.chunk.rows).all()
    assert inference.chunk.names == loaded.embodiment.action_joints
    assert inference.chunk.step_ns == loaded.time_base.row_ns
    assert inference.latents.shape[-2:] == loaded.config.latent_size


def test_canvases_of_the_robot_s_own_size_are_refused_where_the_checkpoint_has_another(made):
    robot = embodiments.get("droid")
    loaded = load(made("wan22_5b", "droid"), robot)
    with pytest.raises(ValueError, match=r"view size of loaded.embodiment: expected \(160, 320\)"):
        Engine(loaded, robot)
    engine = Engine(loaded, loaded.embodiment)
    with pytest.raises(ValueError, match=r"canvases: expected \[320, 640\] pixels, got \[352"):
        engine.infer(engine.new_session(1), robot.example())


def test_random_weights_in_memory_see_the_same_robot_as_those_in_a_directory():
    robot = embodiments.get("yam")
    loaded = load("random:tiny", robot)
    assert loaded.embodiment == robot
