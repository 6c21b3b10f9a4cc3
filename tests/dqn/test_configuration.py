import json
from typing import Any

import pytest

from dqn.configuration import LearnerConfiguration


def test_it_survives_json() -> None:
    told = LearnerConfiguration(algorithm="kl_residual", temperature=0.7, lambda_return=0.9, seed=4)

    assert LearnerConfiguration.from_json(json.loads(json.dumps(told.to_json()))) == told


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"algorithm": "sarsa"}, "algorithm"),
        ({"discount": 1.1}, "discount"),
        ({"discount": float("nan")}, "discount"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"polyak": 0.0}, "polyak"),
        ({"batch_size": 0}, "batch_size"),
        ({"temperature": -1.0}, "temperature"),
        ({"conservative_weight": -0.1}, "conservative_weight"),
        ({"n_steps": 3, "lambda_return": 0.5}, "contradict"),
        ({"algorithm": "kl_residual", "random_prior_scale": 1.0}, "random priors"),
        ({"algorithm": "psi", "slate_size": 3}, "slates"),
    ],
)
def test_it_refuses_contradictions_and_names_them(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        LearnerConfiguration(**options)


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="learning_speed"):
        LearnerConfiguration.from_json({"learning_speed": 3})
