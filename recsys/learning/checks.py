"""The lines of a verdict: a figure, a threshold, pass, fail or not proven. Before: held_out.py. After: evaluation.py, the gate.

None of them asks which slot, policy or database the figures came from."""

from __future__ import annotations

import numpy as np

from recsys.learning.off_policy.estimators import Floats
from recsys.learning.off_policy.intervals import Estimate
from recsys.learning.off_policy.overlap import clipped_share, effective_samples, overlap_histogram
from training.slots import Check

LEAST_EFFECTIVE_SAMPLES = 100.0
LEAST_EFFECTIVE_SHARE = 0.01
"""Of the log. Below it the log was made by a policy that hardly ever did what this one does."""
MOST_CLIPPED = 0.05
MOST_LEFT_OUT = 0.01
"""Of the slates. More and what is left is no longer what listeners were shown."""
LEAST_EXPLORED = 0.5
"""Of the choices. Where fewer could have gone otherwise, weights say little of what another policy would have brought."""
LEAST_COVERAGE = 0.5
"""Of the champion's coverage."""


def enough_samples(name: str, raw_weight_R: Floats) -> Check:
    """Passes from LEAST_EFFECTIVE_SAMPLES on; fails where hardly anything of the log speaks for the policy at all."""
    effective = effective_samples(raw_weight_R)
    if effective >= LEAST_EFFECTIVE_SAMPLES:
        outcome = "pass"
    else:
        outcome = "fail" if effective < LEAST_EFFECTIVE_SHARE * len(raw_weight_R) else "not proven"
    return Check(
        name=name,
        outcome=outcome,
        explanation=f"{len(raw_weight_R)} logged choices weigh as much as {effective:.0f} under this policy.",
        figure=effective,
        threshold=LEAST_EFFECTIVE_SAMPLES,
        histogram=tuple(overlap_histogram(raw_weight_R)),
    )


def few_clipped(raw_weight_R: Floats, largest: float) -> Check:
    """Cut weights make estimates cautious and biased: few may be."""
    share = clipped_share(raw_weight_R, largest)
    return Check(
        name="clipped weights",
        outcome="pass" if share <= MOST_CLIPPED else "not proven",
        explanation=f"Share of importance weights above {largest:g}, which were cut.",
        figure=share,
        threshold=MOST_CLIPPED,
    )


def few_left_out(left_out: int, slates: int) -> Check:
    """A slate without chances can't be judged; where many are left out, the others may not speak for all."""
    share = left_out / slates if slates else 0.0
    return Check(
        name="slates without chances",
        outcome="pass" if share <= MOST_LEFT_OUT else "not proven",
        explanation=f"{left_out} of {slates} held-out slates have a choice whose logged chance is not in (0, 1]; left out.",
        figure=share,
        threshold=MOST_LEFT_OUT,
    )


def enough_explored(probability_R: Floats) -> Check:
    """The log of a policy that always does the same says nothing about any other, whatever its weights look like."""
    share = float((probability_R < 1).mean()) if len(probability_R) else 0.0
    if share >= LEAST_EXPLORED:
        outcome, words = "pass", "Share of logged choices that could have gone otherwise."
    else:
        outcome = "not proven"
        words = "Too few logged choices could have gone otherwise, so the log can't say what another policy would have brought."
    return Check(name="explored choices", outcome=outcome, explanation=words, figure=share, threshold=LEAST_EXPLORED)


def overlap_checks(raw_weight_R: Floats, largest: float) -> list[Check]:
    """Whether a log can speak about a policy: the checks that come before any estimate."""
    return [enough_samples("effective samples", raw_weight_R), few_clipped(raw_weight_R, largest)]


def better(name: str, difference: Estimate, *, decides: bool, against: str = "the champion") -> Check:
    """A deciding check passes when the whole interval lies above 0; another one fails only when all of it lies below."""
    if not np.isfinite(difference.value):
        outcome, words = ("not proven" if decides else "pass"), "this log gives no estimate"
    elif difference.high < 0:
        outcome, words = "fail", f"worse than {against}"
    elif difference.low > 0:
        outcome, words = "pass", f"better than {against}"
    else:
        outcome, words = ("not proven" if decides else "pass"), f"not distinguishable from {against}"
    return Check(
        name=f"{name}, difference",
        outcome=outcome,
        explanation=f"Estimated on held-out sessions, 95 % interval over listeners: {words}.",
        figure=difference.value,
        low=difference.low,
        high=difference.high,
        threshold=0.0,
        predicts_lift=decides,
    )


def no_more_skips(difference: Estimate, against: str = "the champion") -> Check:
    """Fails where clearly more of what is played would be left early."""
    return Check(
        name="skip rate, difference",
        outcome="fail" if difference.low > 0 else "pass",
        explanation=f"Share of played tracks left early, estimated as the rewards are, less that of {against}.",
        figure=difference.value,
        low=difference.low,
        high=difference.high,
        threshold=0.0,
    )


def enough_coverage(new: float, old: float, against: str = "the champion") -> Check:
    """Different tracks among the first ten of many requests: a policy that plays the same to everybody is no recommender."""
    return Check(
        name="coverage",
        outcome="pass" if new >= LEAST_COVERAGE * old else "fail",
        explanation=f"Share of the catalogue among the first ten of held-out requests; {old:.1%} under {against}.",
        figure=new,
        threshold=LEAST_COVERAGE * old,
    )


def holds_its_own(distance: Estimate, usual: Estimate, share: float, against: str = "the champion") -> Check:
    """With simulated listeners, whose tastes are nobody's: a guard against policies that bore, not a proof of quality."""
    return Check(
        name="reward per simulated session",
        outcome="fail" if distance.high < 0 else "pass",
        explanation=f"Above {share:.0%} of {against}'s {usual.value:.2f}, with simulated listeners; fails when clearly below.",
        figure=distance.value,
        low=distance.low,
        high=distance.high,
        threshold=0.0,
    )


def no_disliked(served: int, requests: int) -> Check:
    """Not one may slip through what serving leaves out."""
    return Check(
        name="disliked tracks served",
        outcome="pass" if served == 0 else "fail",
        explanation=f"Tracks that listeners had disliked or banned, in slates drawn anew for {requests} held-out requests.",
        figure=float(served),
        threshold=0.0,
    )


def beside(name: str, estimate: Estimate, words: str) -> Check:
    """A figure to compare with; it decides nothing."""
    return Check(
        name=name,
        outcome="pass",
        explanation=words,
        figure=estimate.value,
        low=estimate.low if np.isfinite(estimate.low) else None,
        high=estimate.high if np.isfinite(estimate.high) else None,
    )
