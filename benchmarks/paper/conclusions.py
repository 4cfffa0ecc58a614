"""What the figures say of a claim, by a rule that was written before there were any.

Of ``higher`` and ``keeps`` the estimate is how far the one arm is above (its share of) the other:

    reproduces          the 95 % interval lies above 0
    does not reproduce  it lies below the margin: an advantage, if there is one, is under 5 points;
                        of ``keeps``: it lies below 0
    cannot be told      anything else

Of ``equal``: the interval lies inside of +-``within``, lies outside of it, or neither.

Whatever the interval, nothing can be told with fewer than three seeds or 40 rollouts in a cell, nor
where neither arm does anything: two policies that both stand still are equal and say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from paper.study import Claim, Measure
from paper.uncertainty import Estimate, Outcomes, contrast, level

Verdict = Literal["reproduces", "does not reproduce", "cannot be told at this size", "not run"]
REPRODUCES, DOES_NOT, OPEN, NOT_RUN = (
    "reproduces",
    "does not reproduce",
    "cannot be told at this size",
    "not run",
)

LEAST_SEEDS, LEAST_ROLLOUTS = 3, 40
MARGIN = 0.05
"""A smaller advantage is none."""

ABLE = 0.1
"""Of the better arm, below which neither does anything."""


@dataclass(frozen=True)
class Conclusion:
    """About one claim.

    Attributes:
        claim: which.
        measure: of what.
        verdict: what is said.
        why: the figures behind it.
        estimate: of the difference; None where it is not known.
    """

    claim: Claim
    measure: Measure
    verdict: Verdict
    why: str
    estimate: Estimate | None

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.claim.text}, {self.measure}: **{self.verdict}** ({self.why})"

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "claim": self.claim.text,
            "paper": self.claim.paper,
            "measure": self.measure,
            "verdict": self.verdict,
            "why": self.why,
            "estimate": self.estimate and self.estimate.plain(),
        }


def conclude(claim: Claim, measure: Measure, one: Outcomes, other: Outcomes) -> Conclusion:
    """What the outcomes of two arms say.

    Args:
        claim: about them.
        measure: what the outcomes are of.
        one: of the arm that the claim names first.
        other: of the other arm.
    """
    found = contrast(one, other, claim.share if claim.kind == "keeps" else 1.0)
    if found is None:
        missing = [name for name, arm in ((claim.one, one), (claim.other, other)) if not level(arm)]
        why = f"no rollout of {' nor of '.join(missing)}" if missing else "no scene that both tried"
        return Conclusion(claim, measure, NOT_RUN, why, None)
    figures = f"{points(found.mean)} ± {points(found.error, sign=False)} points"
    if found.seeds < LEAST_SEEDS or found.fewest < LEAST_ROLLOUTS:
        why = (
            f"{figures}, of {found.seeds} seeds and at least {found.fewest} rollouts; "
            f"expected {LEAST_SEEDS} and {LEAST_ROLLOUTS}"
        )
        return Conclusion(claim, measure, OPEN, why, found)
    best = max(level(arm).mean for arm in (one, other))
    if best < ABLE:
        why = f"{figures}; neither reaches {100 * ABLE:.0f} %"
        return Conclusion(claim, measure, OPEN, why, found)
    why = f"{figures}, 95 % {points(found.low)} to {points(found.high)}"
    return Conclusion(claim, measure, _verdict(claim, found), why, found)


def _verdict(claim: Claim, found: Estimate) -> Verdict:
    """By the interval alone."""
    if claim.kind == "equal":
        if -claim.within < found.low and found.high < claim.within:
            return REPRODUCES
        outside = found.low > claim.within or found.high < -claim.within
        return DOES_NOT if outside else OPEN
    if found.low > 0:
        return REPRODUCES
    return DOES_NOT if found.high < (MARGIN if claim.kind == "higher" else 0.0) else OPEN


def points(value: float, *, sign: bool = True) -> str:
    """Hundredths."""
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
