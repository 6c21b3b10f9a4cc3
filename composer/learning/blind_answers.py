"""What blind pairs say of a version on trial, as the gate counts it. Before: pairs.py logs answers. After: evaluation.py."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from dqn.checkpoint import write_whole
from training.slots import Check

NAME = "blind pairs won against the champion"
FEWEST_ANSWERS = 30
"""Fewer decide nothing: the interval would be as wide as half the scale."""


@dataclass(frozen=True, kw_only=True)
class BlindAnswers:
    """Of one listener, about one version on trial against one champion."""

    trial: str
    """Folder of its checkpoint."""
    champion: str
    listener: int
    wins: float
    """Answers that preferred the version on trial; half of those that heard no difference."""
    answers: int


def read_answers(folder: Path) -> tuple[BlindAnswers, ...]:
    """All answers about versions on trial until the choice that a note in the folder names; without one, until now.

    A verdict that is recomputed reads the answers it was made from, whatever was answered since."""
    from composer.models import BlindPair
    from composer.pair_scores import decided, is_on_trial_at_all
    from recsys.models import Choice
    from recsys.taste_answers import WON

    note = folder / "dataset.json"
    kept = json.loads(note.read_text()) if note.exists() else {}
    if "choices_until" not in kept:
        newest = Choice.objects.order_by("-pk").values_list("pk", flat=True).first()
        kept["choices_until"] = newest or 0
        write_whole(note, json.dumps(kept).encode())
    pairs = decided(is_on_trial_at_all()).filter(choice__lte=kept["choices_until"])
    won: defaultdict[tuple[str, str, int], list[float]] = defaultdict(list)
    names = ("trial__folder", "champion__folder", "listener_id", "first_author", "choice__answer")
    for trial, champion, listener, first, said in pairs.order_by("choice").values_list(*names):
        share = WON[Choice.Answer(said)]
        won[trial, champion, listener].append(share if first == BlindPair.Author.CHALLENGER else 1 - share)
    return tuple(
        BlindAnswers(trial=trial, champion=champion, listener=listener, wins=sum(each), answers=len(each))
        for (trial, champion, listener), each in sorted(won.items())
    )


def blind_check(checkpoint: Path, champion: Path, everything: Sequence[BlindAnswers]) -> Check:
    """Passes when the lower bound of the share of pairs won lies above a half; not counted before enough were answered."""
    from composer.pair_scores import interval_of

    root = Path(settings.ENCORE_VAR)
    rows = [row for row in everything if (root / row.trial, root / row.champion) == (checkpoint, champion)]
    answers = sum(row.answers for row in rows)
    bounds = interval_of((row.wins, row.answers) for row in rows)
    if bounds is None or answers < FEWEST_ANSWERS:
        return Check(
            name=NAME,
            outcome="not counted",
            explanation=f"{answers} of {FEWEST_ANSWERS} blind pairs with the champion are answered: too few to decide.",
            figure=sum(row.wins for row in rows) / answers if answers else None,
            threshold=0.5,
        )
    low, high = bounds
    share = sum(row.wins for row in rows) / answers
    return Check(
        name=NAME,
        outcome="pass" if low > 0.5 else "fail" if high < 0.5 else "not proven",
        explanation=f"Of {answers} blind pairs {100 * share:.0f} % preferred its piece to the champion's "
        f"(95 % interval over {len(rows)} listener{'' if len(rows) == 1 else 's'}; no difference counts half).",
        figure=share,
        low=low,
        high=high,
        threshold=0.5,
    )
