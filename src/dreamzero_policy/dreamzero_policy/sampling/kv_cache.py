"""Keys and values of the past, preallocated once: write rows, then advance; never a concatenation.

Positions are absolute tokens of the window: latent frame f begins at token ``f * frame_seqlen``.
Rows behind the stored ones are scratch: a forward writes its own keys there, reads stored and new
rows as one view, and only a clean forward then advances, which makes its video rows part of what is
stored. A denoising forward does not, so whatever it wrote is overwritten by the next one.

    rows     | stored: length        | new: video of this forward | tail: actions, states |  free
    position first                   position

When stored and new video rows exceed ``max_tokens`` the oldest are left out, first of the view,
then (on ``advance``) of the store; the first frame gets no special treatment (model.md 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch

from dreamzero_policy.model.config import ModelConfig


@dataclass(frozen=True)
class Snapshot:
    """A copy of the newest rows, from ``KVCache.snapshot``.

    Attributes:
        start: position of the first copied row.
        position: position behind the last.
        first: position of the oldest stored row when the copy was made.
        keys, values: [layers, B, position - start, n, d].
    """

    start: int
    position: int
    first: int
    keys: torch.Tensor
    values: torch.Tensor


class KVCache:
    """Keys (after norm and rotation) and values of every layer, for one guidance branch or a batch.

    Args:
        layers: transformer blocks.
        batch: sequences B.
        max_tokens: video rows kept: the window.
        heads: attention heads n.
        head_dim: width d of a head.
        dtype, device: of the rows.
        scratch_tokens: rows for the forward in progress beyond ``max_tokens``; None: as many again.
    """

    def __init__(
        self,
        layers: int,
        batch: int,
        max_tokens: int,
        heads: int,
        head_dim: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        scratch_tokens: int | None = None,
    ) -> None:
        if min(layers, batch, max_tokens, heads, head_dim) < 1:
            raise ValueError(
                f"a cache needs at least one of everything, got layers {layers}, batch {batch}, "
                f"max_tokens {max_tokens}, heads {heads}, head_dim {head_dim}"
            )
        self.max_tokens = max_tokens
        scratch = max_tokens if scratch_tokens is None else scratch_tokens
        shape = (layers, batch, max_tokens + scratch, heads, head_dim)
        with torch.inference_mode(False):  # so that it may be written to outside of it as well
            self._keys = torch.empty(shape, dtype=dtype, device=device)
            self._values = torch.empty(shape, dtype=dtype, device=device)
        self._first = 0
        self._length = 0

    @classmethod
    def for_model(
        cls,
        config: ModelConfig,
        batch: int = 1,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        slide: bool = False,
    ) -> Self:
        """A cache for one window of ``config``.

        Args:
            config: the model.
            batch: sequences B.
            dtype: of the rows.
            device: where they are.
            slide: whether sequences may run past the window; a session that restarts when the
                window is full never does, and saves one block of rows.
        """
        tail = config.num_action_per_block + config.num_state_per_block
        block = config.num_frame_per_block * config.frame_seqlen
        return cls(
            layers=config.num_layers,
            batch=batch,
            max_tokens=config.window_tokens,
            heads=config.num_heads,
            head_dim=config.head_dim,
            dtype=dtype,
            device=device,
            scratch_tokens=tail + (block if slide else 0),
        )

    @property
    def layers(self) -> int:
        """Transformer blocks."""
        return self._keys.shape[0]

    @property
    def batch(self) -> int:
        """Sequences B."""
        return self._keys.shape[1]

    @property
    def length(self) -> int:
        """Rows stored."""
        return self._length

    @property
    def position(self) -> int:
        """Absolute token behind the last stored row: where the next clean rows go."""
        return self._first + self._length

    @property
    def bytes(self) -> int:
        """Memory held."""
        return 2 * self._keys.numel() * self._keys.element_size()

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, start_token: int) -> None:
        """Puts rows behind the stored ones; they count only after ``advance``.

        Args:
            layer: transformer block.
            k: [B, rows, n, d] keys, rotated.
            v: [B, rows, n, d] values.
            start_token: absolute position of the first row; must be ``position``.

        Raises:
            ValueError: not where the stored rows end, too many rows, or rows of another kind.
        """
        batch, _, heads, width = self._keys.shape[1:]
        shape = (batch, k.shape[1], heads, width)
        for name, x in (("k", k), ("v", v)):
            if x.dtype != self._keys.dtype or x.shape != shape:
                raise ValueError(
                    f"{name}: expected {self._keys.dtype} {list(shape)}, "
                    f"got {x.dtype} {list(x.shape)}"
                )
        if start_token != self.position:
            raise ValueError(
                f"start_token: expected {self.position}, where the stored rows end, "
                f"got {start_token}"
            )
        stop = self._length + k.shape[1]
        if stop > self._keys.shape[2]:
            raise ValueError(
                f"{k.shape[1]} rows behind {self._length} do not fit into {self._keys.shape[2]}; "
                "a sequence that runs past the window needs slide=True"
            )
        self._keys[layer, :, self._length : stop] = k
        self._values[layer, :, self._length : stop] = v

    def keys_values(
        self, layer: int, new: int = 0, tail: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Views of what a query may see: stored rows and those just written, in order.

        Args:
            layer: transformer block.
            new: video rows just written; of these and the stored ones the newest ``max_tokens``.
            tail: action and state rows just written behind them; they push nothing out.

        Returns:
            Keys and values [B, L, n, d], views that the next ``write`` may change.
        """
        start = max(0, self._length + new - self.max_tokens)
        stop = self._length + new + tail
        return self._keys[layer, :, start:stop], self._values[layer, :, start:stop]

    def advance(self, tokens: int) -> None:
        """Makes the ``tokens`` rows behind the stored ones part of them, in every layer.

        Raises:
            ValueError: more rows than there is room for.
        """
        stop = self._length + tokens
        if tokens < 0 or stop > self._keys.shape[2]:
            raise ValueError(f"cannot advance by {tokens} from {self._length} rows")
        excess = stop - self.max_tokens
        if excess > 0:
            for store in (self._keys, self._values):
                store[:, :, : self.max_tokens] = store[:, :, excess:stop].clone()
            self._first += excess
        self._length = min(stop, self.max_tokens)

    def truncate(self, position: int) -> None:
        """Forgets every row from absolute token ``position`` on.

        Raises:
            ValueError: the position is not among what is stored.
        """
        self._length = self._offset(position)

    def snapshot(self, start: int) -> Snapshot:
        """Copies the rows from absolute token ``start`` to the end.

        Raises:
            ValueError: the position is not among what is stored.
        """
        rows = slice(self._offset(start), self._length)
        return Snapshot(
            start=start,
            position=self.position,
            first=self._first,
            keys=self._keys[:, :, rows].clone(),
            values=self._values[:, :, rows].clone(),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Puts copied rows back; rows before ``snapshot.start`` must not have changed since.

        Raises:
            ValueError: rows before it are gone: the cache was reset, cut shorter, or slid.
        """
        if snapshot.first != self._first or snapshot.start > self.position:
            raise ValueError(
                f"a copy of tokens {snapshot.start} to {snapshot.position} (oldest "
                f"{snapshot.first}) does not fit onto tokens {self._first} to {self.position}"
            )
        start, stop = snapshot.start - self._first, snapshot.position - self._first
        self._keys[:, :, start:stop] = snapshot.keys
        self._values[:, :, start:stop] = snapshot.values
        self._length = stop

    def reset(self) -> None:
        """Forgets everything; the memory stays."""
        self._first = 0
        self._length = 0

    def _offset(self, position: int) -> int:
        """The stored row at an absolute position."""
        if not self._first <= position <= self.position:
            raise ValueError(
                f"position: expected {self._first} to {self.position}, which are stored, "
                f"got {position}"
            )
        return position - self._first
