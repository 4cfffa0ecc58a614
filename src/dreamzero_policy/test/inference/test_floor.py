"""Floors reproduce the design's tables, and order themselves as they must."""

from dataclasses import replace

import pytest

from dreamzero_policy.inference import counts, encoder_counts, floor
from dreamzero_policy.inference.floor import H200, H200_FP8, H200_FP8_ATTENTION, Case
from dreamzero_policy.model.config import AGIBOT_14B, DROID_14B, WAN22_5B

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
    assert tera(encoder_counts.vae_decode(DROID_14B, 2, False)) == pytest.approx(10.1, rel=0.6)
    assert tera(encoder_counts.image(DROID_14B.image)) == pytest.approx(0.32, rel=0.02)
    assert tera(encoder_counts.text(DROID_14B.text, 512)) == pytest.approx(4.84, rel=0.002)
    assert tera(encode(WAN22_5B, 2, True)) == pytest.approx(1.67, rel=0.02)
    assert tera(encode(WAN22_5B, 1, False)) == pytest.approx(0.72, rel=0.02)
    assert tera(encode(WAN22_5B, 8, True)) == pytest.approx(5.96, rel=0.02)
