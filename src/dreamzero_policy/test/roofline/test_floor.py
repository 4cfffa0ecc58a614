"""Floors reproduce the design's tables, and order themselves as they must."""

from dataclasses import replace

import pytest

from dreamzero_policy.model.presets import AGIBOT_14B, DROID_14B, WAN22_5B
from dreamzero_policy.roofline import counts, encoder_counts, floor
from dreamzero_policy.roofline.floor import H200, H200_FP8, H200_FP8_ATTENTION, Case

CONTEXTS = (1, 3, 5, 7)
T = 1e12
RATES = (H200, H200_FP8, H200_FP8_ATTENTION)


@pytest.mark.parametrize(
    ("config", "expected"),
    [(DROID_14B, (47.7, 50.3, 52.9, 55.4)), (AGIBOT_14B, (48.4, 51.0, 53.6, 56.2))],
)
def test_operations_of_a_denoising_forward(config, expected):  # performance.md 1.2
    for frames, tera in zip(CONTEXTS, expected, strict=True):
        assert counts.denoise(config, frames).total == pytest.approx(tera * T, rel=0.002)


def test_operations_by_part():  # performance.md 1.2
    first, last = counts.denoise(DROID_14B, 1), counts.denoise(DROID_14B, 7)
    assert first.linear == last.linear == pytest.approx(42.7 * T, rel=0.002)
    assert first.attention == pytest.approx((3.90 + 1.12) * T, rel=0.002)
    assert last.attention == pytest.approx((11.62 + 1.12) * T, rel=0.002)
    for frames, tera in zip(CONTEXTS, (22.2, 47.0, 49.5, 52.1), strict=True):
        assert counts.refresh(DROID_14B, frames).total == pytest.approx(tera * T, rel=0.002)
    assert counts.published_extra(DROID_14B).total == pytest.approx(3.94 * T, rel=0.01)


def test_operations_of_the_encoders():  # performance.md 1.2
    def tera(work):
        return work.total / T

    encode = encoder_counts.vae_encode
    assert tera(encode(DROID_14B, 0, True)) == pytest.approx(1.5, rel=0.04)
    assert tera(encode(DROID_14B, 2, True)) == pytest.approx(10.6, rel=0.01)
    assert tera(encode(DROID_14B, 1, False)) == pytest.approx(4.5, rel=0.02)
    assert tera(encode(DROID_14B, 8, True)) == pytest.approx(37.7, rel=0.01)
    # The design says 10.1 of decoding two latents; the module itself makes it half as much again.
    assert tera(encoder_counts.vae_decode(DROID_14B, 2, False)) == pytest.approx(15.26, rel=0.001)
    assert tera(encoder_counts.image(DROID_14B.image)) == pytest.approx(0.32, rel=0.02)
    assert tera(encoder_counts.text(DROID_14B.text, 512)) == pytest.approx(4.84, rel=0.002)
    assert tera(encode(WAN22_5B, 2, True)) == pytest.approx(1.67, rel=0.02)
    assert tera(encode(WAN22_5B, 1, False)) == pytest.approx(0.72, rel=0.02)
    assert tera(encode(WAN22_5B, 8, True)) == pytest.approx(5.96, rel=0.02)


TABLE = [  # performance.md 1.5: case, then ms at contexts 1 3 5 7 (None: not given) by precision
    (Case(16, pruned=False), (2002, 2169, 2280, 2390), (1111, None, None, 1473), (1008, 1202)),
    (Case(8), (968, None, None, 1190), (536, None, None, 731), (487, 598)),
    (Case(4, pruned=False), (553, 641, 674, 706), (310, None, None, 437), (283, 360)),
    (Case(4), (485, None, None, 629), (269, None, None, 386), (245, 317)),
    (Case(1, pruned=False), (190, 260, 273, 286), (110, None, None, 178), (102, 149)),
    (Case(1, guidance=False), (94, 129, 135, 142), (54, 75, 82, 88), (50, 74)),
    (
        Case(1, guidance=False, hidden_refresh=True),
        (66, 69, 73, 76),
        (39, None, None, 49),
        (36, 41),
    ),
]


@pytest.mark.parametrize(("case", "bf16", "fp8", "fp8_attention"), TABLE)
def test_floors_of_the_design(case, bf16, fp8, fp8_attention):
    first, last = fp8_attention
    rows = (bf16, fp8, (first, None, None, last))
    for rates, row in zip(RATES, rows, strict=True):
        for (frames, seconds), ms in zip(
            floor.window(DROID_14B, rates, case).items(), row, strict=True
        ):
            assert frames in CONTEXTS
            if ms is not None:
                assert 1e3 * seconds == pytest.approx(ms, rel=0.006, abs=0.6)


@pytest.mark.parametrize(
    ("case", "means"),
    [
        (Case(16, pruned=False), (2210, 1299, 1112)),
        (Case(8), (1093, 641, 549)),
        (Case(5), (702, 411, None)),
        (Case(6), (832, None, None)),
        (Case(4), (571, 335, 288)),
        (Case(1, guidance=False), (125, 75, 65)),
    ],
)
def test_means_of_the_design(case, means):
    for rates, ms in zip(RATES, means, strict=True):
        if ms is not None:
            assert 1e3 * floor.mean(DROID_14B, rates, case) == pytest.approx(ms, rel=0.006, abs=0.6)


def test_one_forward():
    for rates, row in zip(
        RATES, ((60, 64, 67, 70), (33, 37, 40, 43), (30, 32, 34, 35)), strict=True
    ):
        for frames, ms in zip(CONTEXTS, row, strict=True):
            assert 1e3 * floor.forward(DROID_14B, rates, frames) == pytest.approx(ms, abs=0.6)


def test_the_small_recipe_is_held_up_by_its_weights():
    """The design reads every weight per forward; those behind cached keys are read by none."""
    moved = counts.parameters(WAN22_5B) - counts.context_parameters(WAN22_5B)
    assert counts.parameters(WAN22_5B) == pytest.approx(5.60e9, rel=0.005)
    seconds = floor.forward(WAN22_5B, H200, 7)
    assert seconds > counts.denoise(WAN22_5B, 7).total / 790e12  # 1.4 ms of arithmetic
    assert seconds == pytest.approx(2.0 * moved / 4.3e12, rel=0.25)
    assert seconds < 2.6e-3  # the design's
    assert counts.denoise(WAN22_5B, 7).total == pytest.approx(1.13 * T, rel=0.05)


def test_memory_of_the_caches():  # performance.md 1.3
    assert 2 * counts.cache_numbers(DROID_14B, 1) == pytest.approx(0.72e9, rel=0.01)
    assert 2 * counts.cache_numbers(DROID_14B, 7) == pytest.approx(5.05e9, rel=0.002)
    assert 2 * counts.context_numbers(DROID_14B) == pytest.approx(0.63e9, rel=0.01)
    assert counts.parameters(DROID_14B) == pytest.approx(16.47e9, rel=0.001)
    assert encoder_counts.text_parameters(DROID_14B.text) == 5_680_910_336
    assert encoder_counts.image_parameters(DROID_14B.image) == pytest.approx(0.63e9, rel=0.01)
    assert encoder_counts.vae_parameters(DROID_14B.vae) == 126_892_531
    assert encoder_counts.vae_parameters(WAN22_5B.vae) == pytest.approx(704.7e6, rel=0.001)


def test_savings_never_raise_a_floor():
    for evaluations in (16, 4, 1):
        case = Case(evaluations, pruned=False)
        steps = [replace(case, published=True), case, replace(case, pruned=True)]
        steps += [replace(steps[-1], packed=True), replace(steps[-1], hidden_refresh=True)]
        seconds = [floor.mean(DROID_14B, H200, step) for step in steps]
        assert seconds == sorted(seconds, reverse=True)
        assert len(set(seconds)) == len(seconds)


def test_a_slow_memory_is_the_floor():
    slow = replace(H200, bandwidth=1e9)
    moved = 2.0 * (counts.parameters(DROID_14B) - counts.context_parameters(DROID_14B))
    assert floor.forward(DROID_14B, slow, 7) > moved / 1e9


def test_a_window_begins_with_more_than_a_chunk():
    case = Case(4)
    lazy = floor.restart(DROID_14B, H200, case)
    whole = floor.restart(DROID_14B, H200, replace(case, published=True))
    assert lazy < whole == pytest.approx(48e-3, rel=0.1)  # performance.md 1.6: 33 frames, 48 ms
