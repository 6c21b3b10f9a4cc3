"""What is asked for, as the policy reads it. Before: steering, taste. After: network, writing.

Shapes: C values of the condition, roughly −1 … 1; D weights of a taste, G features of wishes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from composer.constraints import Plan
from composer.judging import STEERED, WIDEST_WISH
from composer.steering import GRADED
from composer.tokens import shift_of
from music.features import NAMES
from recsys.taste_answers import standardise

Values = NDArray[np.float32]
TASTES = len(NAMES)
CONDITION = 2 * len(GRADED) + 6
Taste = NDArray[np.float64] | None


def condition(plan: Plan) -> Values:
    """What is asked for, C. Nobody's taste is in it: rules and wishes are the same for all listeners."""
    steering = plan.steering
    values: list[float] = []
    for name in GRADED:
        wish = getattr(steering, name)
        values += [0.0, 0.0] if wish is None else [1.0, 2.0 * wish - 1.0]
    values += [
        min(steering.bars, 32) / 16 - 1,
        float(steering.bars <= 4),
        (steering.lowest - 60) / 12,
        (steering.highest - 80) / 12,
        float(plan.is_on_sixteenths),
        # Pitch tokens are counted from the tonic; range and mean pitch are not.
        shift_of(steering.tonic) / 6,
    ]
    return np.array(values, dtype=np.float32)


WISHED = (*STEERED.values(), "mean_pitch_midi_36_to_96")
"""Features that graded wishes are about, G of them; closeness is the prior's own, and flattens it."""
WISH_WEIGHTS = (3.0, 1.0, 2.0, 3.0)
"""How much harder some wishes are followed: one note changes the mean pitch of a piece less than its share of leaps."""
WISHED_NUMBERS = [NAMES.index(name) for name in WISHED]


def goals(plan: Plan) -> NDArray[np.float64]:
    """Standardised value that each graded wish asks of its feature, G; nan where nothing is asked."""
    steering = plan.steering
    asked = np.full(len(NAMES), np.nan)
    for wish, feature in STEERED.items():
        if (value := getattr(steering, wish)) is not None:
            asked[NAMES.index(feature)] = value * WIDEST_WISH[wish]
    if steering.brightness is not None:
        pitch = steering.lowest + steering.brightness * (steering.highest - steering.lowest)
        asked[WISHED_NUMBERS[-1]] = (pitch - 36) / 60
    goal_G: NDArray[np.float64] = standardise(asked)[WISHED_NUMBERS]
    return goal_G


def heard_taste(plan: Plan, taste_D: Taste) -> NDArray[np.float64]:
    """The taste as it is heard in this piece, D: its direction, as long as the strength; at strength 0 nobody's.

    The length of a taste says how surely it is known. A taste that is too unsure abstains; another one is followed as far as
    the listener asks, whether it rests on ten answers or on a hundred.
    """
    if taste_D is None:
        return np.zeros(TASTES)
    if len(taste_D) != TASTES:
        raise ValueError(f"the taste has {len(taste_D)} weights; this version knows {TASTES} features")
    direction_D = np.asarray(taste_D, dtype=np.float64)
    return direction_D * plan.steering.taste_strength / max(float(np.linalg.norm(direction_D)), 1e-9)
