"""The refusal of a tensor of another shape than the model takes."""

from __future__ import annotations

import torch


def expect_shape(name: str, x: torch.Tensor, shape: tuple[int | None, ...]) -> None:
    """Refuses a tensor of another shape; None stands for any size.

    Raises:
        ValueError: the message has its name, what was expected and what came.
    """
    fits = x.dim() == len(shape) and all(
        want is None or want == got for want, got in zip(shape, x.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("*" if want is None else str(want) for want in shape)
        raise ValueError(f"{name}: expected [{expected}], got {list(x.shape)}")
