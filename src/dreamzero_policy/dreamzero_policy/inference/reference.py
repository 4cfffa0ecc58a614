"""The call protocol of the reference implementation, as bookkeeping (design: model.md 4.4, 4.5).

The reference knows no clock: it counts calls, and how many frames a call brings decides what they
mean. Public clients and the golden numbers speak this protocol; a robot's context follows stamps
instead (``session.py``). Both end in the same operations on ``sampling/window.py``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

TEMPORAL_STRIDE = 4
"""Image frames per latent frame after the first."""


@dataclass(frozen=True)
class ReferenceCall:
    """What one call does.

    Attributes:
        restarted: the context is dropped and starts from one frame.
        condition_frame: on a restart, which supplied frame that is; else None.
        encoder_frames: without a restart, which supplied frame sits at each position of the clip
            whose last K latents enter the context; empty if latents were supplied.
        refresh_frame: latent frame that those latents start at; None on a restart.
        denoise_frame: latent frame that the denoised block starts at.
        next_frame: the counter after the call.
    """

    restarted: bool
    condition_frame: int | None
    encoder_frames: tuple[int, ...]
    refresh_frame: int | None
    denoise_frame: int
    next_frame: int


@dataclass
class ReferenceProtocol:
    """The counter between calls.

    Attributes:
        window_frames: latent frames in a full window, W.
        block_frames: latent frames in a block, K.
        next_frame: latent frame that the next block would start at; 0 before the first call.
        instruction: of the last call; anything comparable.
    """

    window_frames: int
    block_frames: int
    next_frame: int = 0
    instruction: Hashable = None

    def call(
        self, frames: int, instruction: Hashable, latents_given: bool = False
    ) -> ReferenceCall:
        """Decides what a call with ``frames`` observed frames does, and counts it.

        Args:
            frames: number of frames supplied, at least 1.
            instruction: a change restarts the window.
            latents_given: the caller supplies latents in place of frames to encode.

        Raises:
            ValueError: a number of frames that the protocol has no rule for; nothing was counted.
        """
        if frames < 1:
            raise ValueError(f"frames: expected at least 1, got {frames}")
        restarted = (
            self.next_frame == 0
            or instruction != self.instruction
            or frames == 1
            or self.next_frame >= self.window_frames
        )
        if restarted:
            condition = frames - 1 if frames in (4, 9) else 0
            done = ReferenceCall(True, condition, (), None, 1, 1 + self.block_frames)
        else:
            clip = () if latents_given else expand_frames(frames, self.block_frames)
            start = self.next_frame
            done = ReferenceCall(
                False, None, clip, start - self.block_frames, start, start + self.block_frames
            )
        self.next_frame, self.instruction = done.next_frame, instruction
        return done


def expand_frames(frames: int, block_frames: int) -> tuple[int, ...]:
    """Which supplied frame sits at each position of the clip that is encoded.

    A block of K latent frames needs 4 K frames and the one before them. A clip that has them is
    taken as it is; of another one each frame is repeated as often as K goes into the groups of four
    that it has, and the first is put in front once more.

    Args:
        frames: number of frames supplied.
        block_frames: K.

    Raises:
        ValueError: the clip would give fewer than K latent frames.
    """
    clip = tuple(range(frames))
    groups = frames // TEMPORAL_STRIDE
    if (frames - 1) // TEMPORAL_STRIDE != block_frames and groups:
        repeats = block_frames // groups
        clip = (0, *(index for index in clip for _ in range(repeats)))
    if groups == 0 or 1 + (len(clip) - 1) // TEMPORAL_STRIDE < block_frames:
        raise ValueError(
            f"frames: {frames} do not make blocks of {block_frames} latent frames; expected "
            f"{TEMPORAL_STRIDE * block_frames + 1}, or a number that is repeated to it"
        )
    return clip
