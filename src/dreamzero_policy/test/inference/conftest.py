"""A model that computes nothing but remembers everything: what it sees can be read off its cache.

Canvases are filled with their frame number. A latent frame is the number of the newest canvas in
it, a cache row is that latent; so the rows that a denoising call attends to are the list of frames
that stand in the context.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dreamzero_policy.embodiments import get
from dreamzero_policy.inference.engine import Engine, EngineOptions
from dreamzero_policy.model.config import preset
from dreamzero_policy.types import Observation
from dreamzero_policy.weights import untrained

START_NS = 1_000_000_000_000
CONFIG = replace(
    preset("tiny"),
    **{"dim": 6, "ffn_dim": 6, "num_heads": 1, "num_layers": 1, "frame_seqlen": 1},
    **{"latent_size": (2, 2), "target_size": None, "vae": None, "text": None, "image": None},
)
ROBOT = replace(get("droid"), view_size=(2, 2))


class FakeDiT:
    """Velocities that lead to the mean of the context; notes what every evaluation could see."""

    def __init__(self):
        self.config = CONFIG
        self.patch_embedding = SimpleNamespace(weight=torch.zeros(1))
        self.blocks = torch.nn.ModuleList()
        self.seen = []
        self.writes = []
        self.conditions = []

    def modules(self):
        return ()

    named_modules = modules

    def embed_text(self, text):
        return text

    def embed_image(self, clip):
        return clip

    def write(self, latents, y, context, cache, start_frame):
        rows = latents.mean(dim=(1, 3, 4))[0]
        self.writes.append((start_frame, rows.int().tolist()))
        self._condition(y, start_frame, latents.shape[2])
        rows = rows.reshape(1, -1, 1, 1).expand(1, -1, 1, CONFIG.head_dim)
        cache.write(0, rows, rows, start_frame)
        cache.advance(rows.shape[1])

    def denoise(self, x, video_tau, actions, action_tau, state, y, context, cache, start_frame):
        assert cache.length == start_frame
        self._condition(y, start_frame, x.shape[2])
        rows = cache.keys_values(0)[0][0, :, 0, 0]
        self.seen.append(rows.int().tolist())
        return x - rows.mean() / 100, actions - state[:, :, :1]

    def _condition(self, y, start_frame, frames):
        expected = torch.arange(start_frame, start_frame + frames)
        assert torch.equal(y[0, 1, :, 0, 0].long(), expected)
        self.conditions.append(float(y[0, 0, 0, 0, 0]))


class FakeModel:
    """The parts that an engine calls."""

    def __init__(self):
        self.config, self.dit = CONFIG, FakeDiT()
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.vae = torch.nn.Identity()
        self.prompts, self.encoded, self.decoded = [], [], []

    def encode_prompt(self, prompt):
        self.prompts.append(prompt)
        return torch.full((1, 1, 1), float(len(prompt)))

    def begin(self, canvas, num_frames=None):
        number = float(canvas[0, 0, 0])

        def condition(start, count):
            y = torch.zeros(1, 20, count, 2, 2)
            y[:, 0] = number
            y[0, 1] = torch.arange(start, start + count).reshape(-1, 1, 1)
            return y

        condition.first_latent = torch.full((1, 16, 1, 2, 2), number)
        return torch.zeros(1, 1, 1), condition

    def encode_frames(self, canvases):
        numbers = canvases[:, 0, 0, 0].float()
        self.encoded.append(numbers.int().tolist())
        return numbers[[4, 8]].reshape(1, 1, 2, 1, 1).expand(1, 16, 2, 2, 2).clone()

    def decode(self, latents):
        self.decoded.append(latents)
        count = 1 + 4 * (latents.shape[2] - 1)
        return torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1).expand(-1, 4, 4, 3)


def loaded(model):
    return SimpleNamespace(
        model=model,
        config=model.config,
        embodiment=ROBOT,
        embodiment_tag=ROBOT.tag,
        state_statistics=untrained.state_statistics(ROBOT),
        action_statistics=untrained.action_statistics(ROBOT),
        time_base=ROBOT.time_base,
        description="fake",
        untrained=True,
    )


def canvases(numbers):
    """Canvases [T, 4, 4, 3] that show their frame numbers (below 256)."""
    column = np.array([number % 256 for number in numbers], np.uint8)
    return np.broadcast_to(column[:, None, None, None], (len(column), *ROBOT.canvas_size, 3))


def observe(numbers, prompt="move", state=None):
    """An observation of the frames with these numbers."""
    stamps = [START_NS + number * ROBOT.time_base.frame_ns for number in numbers]
    state = ROBOT.state_at_home() if state is None else state
    return Observation(canvases(numbers), np.array(stamps, np.int64), state, prompt)


@pytest.fixture
def fake():
    """The helpers above, and a new model and engine over it."""
    model = FakeModel()

    def engine(**options):
        # The network is a fake: it has no layers that could be packed.
        return Engine(loaded(model), ROBOT, EngineOptions(**{"literal": True, **options}))

    return SimpleNamespace(
        model=model,
        engine=engine,
        observe=observe,
        robot=ROBOT,
        config=CONFIG,
        loaded=loaded(model),
        start_ns=START_NS,
    )
