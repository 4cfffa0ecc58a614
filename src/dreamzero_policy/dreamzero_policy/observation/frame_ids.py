"""Which camera a picture comes from: the frame_id of its header, pinned for every view.

A view's frame_id is what the installation says, or else the one of its first picture. A picture
with another one comes from another camera and is refused; when it is the frame_id of another view
the two have been swapped. What cameras do not say cannot be checked: two that share a frame_id are
told apart by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def parse_frame_ids(texts: Iterable[str], views: Sequence[str]) -> dict[str, str]:
    """frame_id by view of ``view=frame_id`` texts.

    Raises:
        ValueError: a text of another form, an unknown view, a view or a frame_id given twice.
    """
    pinned: dict[str, str] = {}
    for text in texts:
        view, _, frame_id = (part.strip() for part in text.partition("="))
        if view not in views or not frame_id or view in pinned or frame_id in pinned.values():
            raise ValueError(
                f"parameter frame_ids: expected view=frame_id with a view of {list(views)}, each "
                f"view and frame_id once, got {text!r}"
            )
        pinned[view] = frame_id
    return pinned


class FrameIds:
    """The frame_id that every view's pictures must have."""

    def __init__(self, views: Sequence[str], given: dict[str, str]) -> None:
        """Pins the given ones.

        Args:
            views: names of all views.
            given: frame_id by view; the others are pinned by their first picture.
        """
        self._views, self._given = tuple(views), dict(given)
        self._pinned = dict(given)

    def clear(self) -> None:
        """Forgets what pictures pinned."""
        self._pinned = dict(self._given)

    def pinned(self, view: str) -> str | None:
        """The frame_id that a view must have; None before its first picture."""
        return self._pinned.get(view)

    def refusal(self, view: str, frame_id: str) -> str:
        """Why a picture with ``frame_id`` is none of ``view``, as a sentence; empty if it is one.

        The first picture of a view without a given frame_id pins it, unless that is the name or the
        given frame_id of another view.
        """
        expected = self._pinned.get(view)
        if frame_id == expected:
            return ""
        owner = self._owner(view, frame_id)
        if expected is None and not owner:
            self._pinned[view] = frame_id
            return ""
        swapped = f"{view} receives pictures of {owner}: swapped? " if owner else ""
        wanted = repr(expected) if expected is not None else "one of its own"
        return f"{swapped}{view}: expected frame_id {wanted}, got {frame_id!r}"

    def _owner(self, view: str, frame_id: str) -> str:
        """Another view that the frame_id belongs to; '' for none.

        Where nothing is pinned for ``view`` a frame_id that another view's pictures pinned is none
        of this: cameras without one of their own may share it.
        """
        known = self._pinned if view in self._pinned else self._given
        for other in self._views:
            if other != view and (known.get(other) == frame_id or other == frame_id):
                return other
        return ""

    def shared(self) -> list[tuple[str, str]]:
        """Pairs of views with one frame_id: one camera twice, or cameras that have no name."""
        return [
            (one, other)
            for index, one in enumerate(self._views)
            for other in self._views[index + 1 :]
            if one in self._pinned and self._pinned[one] == self._pinned.get(other)
        ]
