"""Packed and trimmed forwards against their slow twin, and that sampling reads nothing back."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
import torch
from small_dit import SMALL as SHALLOW
from small_dit import VARIANTS as OTHERS
from small_dit import difference, network

from dreamzero_policy.model.dit import CausalDiT
from dreamzero_policy.sampling.forwards import Forwards
from dreamzero_policy.sampling.kv_cache import KVCache
from dreamzero_policy.sampling.network import Clean, Literal, Noisy
from dreamzero_policy.sampling.prefix import Prefix
from dreamzero_policy.sampling.sampler import denoise_block
from dreamzero_policy.sampling.schedule import flow_schedule
from dreamzero_policy.sampling.split import Shares
from dreamzero_policy.sampling.step_cache import step_cache
from dreamzero_policy.sampling.window import Window

SMALL = replace(SHALLOW, num_layers=3)
VARIANTS = {
    "i2v": SMALL,
    "ti2v": replace(
        SMALL,
        model_type="ti2v",
        in_dim=16,
        concat_first_frame_latent=False,
        vae=replace(SMALL.vae, z_dim=16),
    ),
    "states see themselves": replace(SMALL, state_attends_all=False),
    "other blocks": replace(OTHERS["other blocks"], num_layers=3, state_attends_all=False),
    "one layer": replace(SMALL, num_layers=1),
}
TOLERANCE = 1e-5
STATE = torch.randn(1, 1, 64, generator=torch.Generator().manual_seed(9))


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def condition(config):
    """A first-frame condition of random numbers, by frame."""
    whole = random(1, 20, 40, *config.latent_size, seed=5)
    return lambda start, count: whole[:, :, start : start + count]


def latents(config, frames, seed):
    return random(1, config.out_dim, frames, *config.latent_size, seed=seed)


def noise(config, seed=7):
    return (
        latents(config, config.num_frame_per_block, seed),
        random(1, config.num_action_per_block, config.max_action_dim, seed=seed + 1),
    )


def open_window(make, dit, branches=1, seed=0):
    """A window with one frame in it."""
    config, window = dit.config, Window(make(dit), branches)
    texts = [random(1, config.text_len, config.text_dim, seed=20 + i) for i in range(branches)]
    image = dit.embed_image(random(1, 9, config.clip_dim, seed=30 + seed))
    first = latents(config, 1, 40 + seed)
    window.restart(first, condition(config), image, [dit.embed_text(text) for text in texts])
    return window


def state_of(config):
    return random(1, config.num_state_per_block, config.max_state_dim, seed=9)


def sample(window, config, guidance=5.0, evaluations=4, predicted="guided", **options):
    """One block."""
    schedule = flow_schedule()
    velocity = window.velocity(state_of(config), guidance, predicted)
    return denoise_block(
        velocity, *noise(config), schedule, schedule, step_cache(evaluations), **options
    )


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_a_whole_window_is_the_literal_one(variant):
    """Prefill and every refresh packed with the evaluation after it; caches compared too."""
    config = VARIANTS[variant]
    dit = network(config)
    fast, slow = (open_window(make, dit, branches=2) for make in (Forwards, Literal))
    for block in range(config.max_chunk_size):
        ours, theirs = sample(fast, config), sample(slow, config)
        assert difference(ours.actions, theirs.actions) < TOLERANCE, block
        assert difference(ours.video, theirs.video) < TOLERANCE, block
        for mine, other in zip(fast.caches, slow.caches, strict=True):
            assert mine.position == other.position == fast.frames * config.frame_seqlen
            for layer in range(config.num_layers):
                for a, b in zip(mine.keys_values(layer), other.keys_values(layer), strict=True):
                    assert difference(a, b) < TOLERANCE, (block, layer)
        if block < config.max_chunk_size - 1:
            real = latents(config, config.num_frame_per_block, 50 + block)
            fast.refresh(real)
            slow.refresh(real)


@torch.inference_mode()
def test_blocks_that_wait_are_written_one_after_the_other_and_in_a_copy():
    """Several boundaries at once, a look-ahead, and the boundary after it."""
    dit = network(SMALL)
    fast, slow = (open_window(make, dit) for make in (Forwards, Literal))
    for window in (fast, slow):
        window.refresh(latents(SMALL, 2, 51))
        window.refresh(latents(SMALL, 2, 52))
    results = []
    for window in (fast, slow):
        with window.borrowed(3):
            window.refresh(latents(SMALL, 2, 53))
            ahead = sample(window, SMALL, guidance=1.0).actions
        with window.borrowed(1):
            window.refresh(latents(SMALL, 2, 54))  # and nobody evaluates it
        with window.borrowed(0):
            text, image = window._contexts[0].text, window._contexts[0].image
            window.restart(latents(SMALL, 1, 55), condition(SMALL), image, [text])
            first = sample(window, SMALL, guidance=1.0).actions
        window.refresh(latents(SMALL, 2, 56))
        results.append((ahead, first, sample(window, SMALL, guidance=1.0).actions))
    for ours, theirs in zip(*results, strict=True):
        assert difference(ours, theirs) < TOLERANCE
    assert fast.frames == slow.frames == 7


@pytest.mark.parametrize(
    ("evaluations", "guidance"), itertools.product([1, 2, 4, 5, 8, "all", "dynamic"], [1.0, 5.0])
)
@torch.inference_mode()
def test_what_the_last_evaluation_leaves_out_never_reaches_the_actions(evaluations, guidance):
    """Bit for bit from the same kernels; the trimmed block runs others, so to rounding there."""
    dit = network(SMALL)
    window = open_window(Forwards, dit, branches=2)
    window.refresh(latents(SMALL, 2, 51))
    window.settle()
    full, unguided, none = (
        sample(window, SMALL, guidance, evaluations, predicted)
        for predicted in ("guided", "unguided", "none")
    )
    assert torch.equal(unguided.actions, full.actions)
    assert difference(none.actions, full.actions) < TOLERANCE
    assert full.steps_run == unguided.steps_run == none.steps_run
    known = evaluations != "dynamic" or full.steps_run[-1] == 15  # that it is the last one
    assert (none.video is None, none.predicted is None) == (known, known)
    assert torch.equal(unguided.video, full.video) == (guidance == 1.0 or not known)
    # It is the last evaluation alone that may be spared: one before it does reach the actions.
    if evaluations != 1 and guidance != 1.0:
        assert difference(sample(window, SMALL, 1.0, evaluations).actions, full.actions) > 1e-4


@torch.inference_mode()
def test_forwards_are_spared():
    """Forwards of a call by kind, of both branches."""

    class Counting(Forwards):
        def __init__(self, dit):
            super().__init__(dit)
            self.calls = []

        def write(self, *arguments):
            self.calls.append("write")
            super().write(*arguments)

        def denoise(self, noisy, context, cache, clean=None, video=True):
            kind = "packed" if clean else "denoise"
            self.calls.append(kind if video else f"{kind}, actions only")
            return super().denoise(noisy, context, cache, clean, video)

    dit = network(SMALL)
    counted = {}
    for evaluations, predicted, branches in (
        (4, "guided", 2),
        (4, "unguided", 2),
        (4, "none", 2),
        (1, "unguided", 1),
        (1, "none", 1),
    ):
        window = open_window(Counting, dit, branches)
        sample(window, SMALL, 5.0, evaluations, predicted)
        counted[evaluations, predicted] = window._network.calls
    packed, denoise = ["packed"] * 2, ["denoise"]
    assert counted == {
        (4, "guided"): [*packed, *denoise * 6],
        (4, "unguided"): [*packed, *denoise * 5],
        (4, "none"): [*packed, *denoise * 4, "denoise, actions only"],
        (1, "unguided"): ["packed"],
        (1, "none"): ["packed, actions only"],
    }


@torch.inference_mode()
def test_the_clean_estimate_is_the_video_where_it_ends_clean_and_less_noisy_where_not():
    dit = network(SMALL)
    window = open_window(Forwards, dit)
    clean = sample(window, SMALL, 1.0)
    assert torch.equal(clean.predicted, clean.video)
    velocity = window.velocity(state_of(SMALL), 1.0)
    video, actions = noise(SMALL)
    flash = denoise_block(
        velocity,
        video,
        actions,
        flow_schedule(1, final_sigma=0.8),
        flow_schedule(1),
        step_cache("all", 1),
    )
    v, u = velocity(video, actions, 999, 999, True)
    sigma = flow_schedule(1).sigmas[0]
    torch.testing.assert_close(flash.predicted, video - sigma * v)
    torch.testing.assert_close(flash.video, video - (sigma - 0.8) * v)
    torch.testing.assert_close(flash.actions, actions - sigma * u)


@torch.inference_mode()
def test_one_evaluation_of_sixteen_timesteps_is_one_timestep():
    dit = network(SMALL)
    window = open_window(Forwards, dit)
    many, schedule = sample(window, SMALL, 1.0, evaluations=1), flow_schedule(1)
    velocity = window.velocity(state_of(SMALL), 1.0)
    one = denoise_block(velocity, *noise(SMALL), schedule, schedule, step_cache("all", 1))
    assert difference(one.actions, many.actions) < TOLERANCE
    assert difference(one.video, many.video) < TOLERANCE


@pytest.mark.parametrize("evaluations", [1, 2, 4, 5, 6, 7, 8, "all"])
@torch.inference_mode()
def test_sampling_reads_nothing_back_from_the_device(evaluations):
    """On the meta device there is no number to read: a loop that asked for one would raise."""
    with torch.device("meta"):
        dit = CausalDiT(SMALL)
        window = Window(Forwards(dit), branches=2)
        texts = [dit.embed_text(torch.empty(1, 5, SMALL.text_dim)) for _ in range(2)]
        image = dit.embed_image(torch.empty(1, 9, SMALL.clip_dim))
        video = torch.empty(1, 16, 2, *SMALL.latent_size)
        y = lambda start, count: torch.empty(1, 20, count, *SMALL.latent_size)  # noqa: E731
        window.restart(video[:, :, :1], y, image, texts)
        actions = torch.empty(1, SMALL.num_action_per_block, SMALL.max_action_dim)
        velocity = window.velocity(torch.empty(1, 1, SMALL.max_state_dim), 5.0)
        prefix = Prefix(actions, torch.empty(SMALL.num_action_per_block))
    schedule = flow_schedule()
    cache = step_cache(evaluations)
    done = denoise_block(velocity, video, actions, schedule, schedule, cache, prefix=prefix)
    assert done.actions.is_meta
    with pytest.raises(RuntimeError, match="meta"):
        denoise_block(velocity, video, actions, schedule, schedule, step_cache("dynamic"))


@torch.inference_mode()
def test_it_runs_in_bfloat16():
    dit = network(SMALL)
    wide = sample(open_window(Forwards, dit), SMALL, 1.0)
    dit.to(torch.bfloat16)
    window = open_window(Forwards, dit)
    velocity = window.velocity(state_of(SMALL).bfloat16(), 1.0)
    schedule = flow_schedule()
    narrow = denoise_block(velocity, *noise(SMALL), schedule, schedule, step_cache(4))
    assert window.caches[0].keys_values(0)[0].dtype == torch.bfloat16
    assert difference(narrow.actions, wide.actions) < 0.2


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_actions_alone_are_those_of_the_training_without_noisy_frames(variant):
    """A window of two blocks in one pass, in which states see themselves, and block by block."""
    config = replace(VARIANTS[variant], state_attends_all=False)
    dit, frames = network(config), config.num_frame_per_block
    actions, states = config.num_action_per_block, config.num_state_per_block
    text, clip = random(1, config.text_len, 64, seed=1), random(1, 9, 64, seed=2)
    clean = latents(config, 1 + 2 * frames, 3)
    conditioned = config.condition_channels > 0
    y = condition(config)(0, 1 + 2 * frames) if conditioned else None
    vectors = random(1, 2 * actions, config.max_action_dim, seed=4)
    state = random(1, 2 * states, config.max_state_dim, seed=5)
    tau = torch.full((1, 2 * actions), 700.0)
    whole = torch.zeros(1, 1 + 2 * frames)
    _, expected = dit.forward_train(None, clean, whole, vectors, tau, state, y, text, clip)

    def part(x, first, count):
        return None if x is None else x[:, :, first : first + count]

    forwards, context = Forwards(dit, video=False), dit.embed_context(text, clip)
    cache = KVCache.for_model(config)
    for block, (first, count) in enumerate(((0, 1), (1, frames))):
        mine, his = slice(block * actions, (block + 1) * actions), block * states
        start = first + count
        noisy = Noisy(
            random(1, config.out_dim, frames, *config.latent_size, seed=8),
            torch.full((1, frames), 700.0),
            vectors[:, mine],
            tau[:, mine],
            state[:, his : his + states],
            part(y, start, frames),
        )
        entering = Clean(part(clean, first, count), part(y, first, count))
        video, packed = forwards.denoise(noisy, context, cache, entering)
        assert video is None
        assert difference(packed, expected[:, mine]) < TOLERANCE
        video, alone = forwards.denoise(noisy, context, cache)
        assert video is None
        assert difference(alone, expected[:, mine]) < TOLERANCE


def test_a_wrong_call_is_refused_as_the_network_refuses_it():
    dit = network(SMALL)
    forwards, context = Forwards(dit), dit.embed_context(random(1, 5, 64), random(1, 9, 64))
    cache, y = KVCache.for_model(SMALL), condition(SMALL)
    forwards.write(Clean(latents(SMALL, 1, 1), y(0, 1)), context, cache)
    video, actions = noise(SMALL)
    tau, action_tau = torch.zeros(1, 2), torch.zeros(1, 24)
    good = Noisy(video, tau, actions, action_tau, state_of(SMALL), y(1, 2))
    for change, message in (
        ({"y": None}, "y: expected 20 condition channels"),
        ({"latents": video[:, :15]}, r"latents: expected \[\*, 16"),
        ({"latents": video[:, :, :1], "y": y(1, 1)}, r"latents: expected \[1, \*, 2"),
        ({"video_tau": tau[:, :1]}, r"video_tau: expected \[1, 2\]"),
        ({"actions": actions[:, 1:]}, r"actions: expected \[1, 24, 32\]"),
        ({"state": torch.zeros(1, 1, 8)}, r"state: expected \[1, 1, 64\]"),
    ):
        with pytest.raises(ValueError, match=message):
            forwards.denoise(replace(good, **change), context, cache)
        assert cache.position == SMALL.frame_seqlen


class Threads(Shares):
    """Shares of threads of this process: what they send goes through a list."""

    def __init__(self, rank, barrier, slots):
        self._rank, self._size = rank, barrier.parties
        self._barrier, self._slots = barrier, slots

    def _exchange(self, sent):
        self._slots[self._rank] = sent
        self._barrier.wait(30.0)
        received = torch.cat(self._slots)
        self._barrier.wait(30.0)
        return received


@pytest.mark.parametrize("shares", [2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_divided_tokens_are_the_literal_ones(variant, shares):
    """Every share of a window with a refresh in it; each ends with the whole block and cache."""
    config = VARIANTS[variant]
    dit, barrier, slots = network(config), threading.Barrier(shares), [None] * shares

    @torch.inference_mode()
    def blocks(make):
        try:
            window = open_window(make, dit)
            found = [sample(window, config, guidance=1.0)]
            window.refresh(latents(config, config.num_frame_per_block, 50))
            found.append(sample(window, config, guidance=1.0, predicted="none"))
            return found, window.caches[0].keys_values(config.num_layers - 1)
        except BaseException:
            barrier.abort()
            raise

    expected, keys = blocks(Literal)
    with ThreadPoolExecutor(shares) as pool:
        ours = [
            pool.submit(blocks, partial(Forwards, tokens=Threads(rank, barrier, slots)))
            for rank in range(shares)
        ]
        for got, cached in (each.result() for each in ours):
            assert difference(got[0].video, expected[0].video) < TOLERANCE
            for mine, literal in zip(got, expected, strict=True):
                assert difference(mine.actions, literal.actions) < TOLERANCE
            for mine, literal in zip(cached, keys, strict=True):
                assert difference(mine, literal) < TOLERANCE
