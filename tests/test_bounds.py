"""Each number of every training has bounds, which the dashboard's form shows and the API refuses to leave."""

from __future__ import annotations

import pytest

from training import slots
from training.configuration import WrongConfiguration, fields_of, read_configuration

SLOTS = tuple(functions.name for functions in slots.registered())


@pytest.mark.parametrize("slot", SLOTS)
def test_every_number_has_bounds_around_its_first_value(slot: str) -> None:
    configuration = slots.functions_of(slot).configuration
    numbers = [field for field in fields_of(configuration) if field.type in (int, float)]

    assert len(numbers) > 10
    assert [field.name for field in numbers if field.low is None or field.high is None] == []
    assert [field.name for field in numbers if not field.low <= field.default <= field.high] == []


@pytest.mark.parametrize("slot", SLOTS)
def test_bounds_name_fields_that_are_there(slot: str) -> None:
    configuration = slots.functions_of(slot).configuration

    assert set(vars(configuration)["BOUNDS"]) - {field.name for field in fields_of(configuration)} == set()


@pytest.mark.parametrize(
    ("slot", "given", "message"),
    [
        ("recommender", {"updates": 0}, "updates is 0 and must be 1 to 1,000,000"),
        ("recommender", {"discount": 1.5}, "discount is 1.5 and must be 0 to 1"),
        ("recommender", {"learning_rate": float("nan")}, "learning_rate is nan and must be 0.000001 to 1"),
        ("composer", {"stage": "encore"}, "stage is 'encore' and must be one of prior, policy"),
        ("composer", {"hidden": 7}, "hidden is 7 and must be 8 to 4,096"),
    ],
)
def test_a_value_outside_is_refused_with_its_field_and_bound(slot: str, given: dict[str, object], message: str) -> None:
    with pytest.raises(WrongConfiguration) as refused:
        read_configuration(slots.functions_of(slot).configuration, given)

    assert str(refused.value).replace(":", "") == message
