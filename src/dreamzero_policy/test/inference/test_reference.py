"""The reference's call protocol: its counter, its restarts and what it encodes."""

import pytest

from dreamzero_policy.inference.reference import ReferenceProtocol, expand_frames


def test_the_counter_of_one_window():
    protocol = ReferenceProtocol(window_frames=9, block_frames=2)
    calls = [protocol.call(1, "A"), *(protocol.call(4, "A") for _ in range(4))]
    assert [call.restarted for call in calls] == [True, False, False, False, True]
    assert [call.refresh_frame for call in calls] == [None, 1, 3, 5, None]
    assert [call.denoise_frame for call in calls] == [1, 3, 5, 7, 1]
    assert [call.next_frame for call in calls] == [3, 5, 7, 9, 3]


@pytest.mark.parametrize(
    ("frames", "condition"), [(1, 0), (4, 3), (9, 8), (8, 0), (2, 0), (5, 0), (33, 0)]
)
def test_a_restart_conditions_on_the_last_of_four_or_nine(frames, condition):
    call = ReferenceProtocol(9, 2).call(frames, "A")
    assert call.condition_frame == condition
    assert call.encoder_frames == ()


def test_one_frame_or_another_instruction_restarts():
    protocol = ReferenceProtocol(9, 2)
    protocol.call(1, "A")
    assert protocol.call(1, "A").restarted
    assert not protocol.call(4, "A").restarted
    assert protocol.call(4, "B").restarted
    assert not protocol.call(4, "B").restarted


def test_given_latents_are_not_encoded():
    protocol = ReferenceProtocol(9, 2)
    protocol.call(1, "A")
    assert protocol.call(2, "A", latents_given=True).encoder_frames == ()


@pytest.mark.parametrize(
    ("frames", "block", "clip"),
    [
        (9, 2, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (12, 2, list(range(12))),
        (8, 2, [0, 0, 1, 2, 3, 4, 5, 6, 7]),
        (4, 2, [0, 0, 0, 1, 1, 2, 2, 3, 3]),
        (5, 2, [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        (4, 1, [0, 0, 1, 2, 3]),
        (9, 1, [0]),
        (8, 3, [0, 0, 1, 2, 3, 4, 5, 6, 7]),
        (4, 4, [0, *[i for i in range(4) for _ in range(4)]]),
    ],
)
def test_which_frame_sits_where(frames, block, clip):
    assert list(expand_frames(frames, block)) == clip


@pytest.mark.parametrize("frames", [2, 3, 13, 16])
def test_numbers_without_a_rule_are_refused_and_not_counted(frames):
    protocol = ReferenceProtocol(9, 2)
    protocol.call(1, "A")
    with pytest.raises(ValueError, match=f"{frames} do not make"):
        protocol.call(frames, "A")
    assert protocol.next_frame == 3
    with pytest.raises(ValueError, match="at least 1"):
        protocol.call(0, "A")
