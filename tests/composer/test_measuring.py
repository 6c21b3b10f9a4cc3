"""A version is measured beside people's tunes and in metres nobody wrote its styles in; the dashboard shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Account
from composer.learning.measuring import STYLES, UNSEEN_PIECES, measure_version, people_of, unseen_steerings
from composer.learning.policy import load_policy
from composer.learning.replay_dataset import MelodyDataset, Tune, group_of
from composer.measures import FORM, MEASURES, PROFILES
from tests.composer.conftest import CHECKPOINT
from tests.composer.test_pair_scores import said, versions
from tests.conftest import STYLES as TRAINED
from tests.conftest import small_melody
from training.figures import finite
from training.models import PolicyVersion, VersionDetails

__all__ = ["versions"]


@pytest.fixture(scope="module")
def dataset() -> MelodyDataset:
    """The tunes that the tiny prior learned from."""
    melodies = [(small_melody(number, TRAINED[number % 4]), TRAINED[number % 4]) for number in range(48)]
    return MelodyDataset(tuple(Tune(melody=melody, style=style, group=group_of(melody)) for melody, style in melodies))


@pytest.fixture(scope="module")
def measured(trained_folder: Path, dataset: MelodyDataset) -> dict[str, Any]:
    """What the tiny prior's run would keep."""
    return measure_version(load_policy("prior", trained_folder / CHECKPOINT), dataset)


def test_people_s_tunes_are_of_the_styles_asked_in_equal_numbers(dataset: MelodyDataset) -> None:
    people = people_of(dataset, ("reel", "jig"))

    assert {tune.style for tune in people} == {"reel", "jig"}
    assert sum(tune.style == "reel" for tune in people) == 12
    assert [tune.style for tune in people[:4]] in (["reel", "jig"] * 2, ["jig", "reel"] * 2)


def test_all_measures_of_a_version_are_plain_values(
    trained_folder: Path, dataset: MelodyDataset, measured: dict[str, Any]
) -> None:
    found = measured

    assert [row["name"] for row in found["rows"]] == list(MEASURES)
    assert [profile["name"] for profile in found["profiles"]] == list(PROFILES)
    assert all(0 <= row["inside"] <= 1 and 0 <= row["overlap"] <= 1 for row in found["rows"])
    assert all(sum(profile["people"]) == pytest.approx(1, abs=1e-3) for profile in found["profiles"])
    assert all(0 <= row["unseen_inside"] <= 1 for row in found["rows"])
    # Too few tunes of any style here: all pieces stand beside all tunes.
    (row,) = found["by_style"]
    assert (row["style"], row["pieces"], len(row["overlaps"])) == ("", found["pieces"], 1 + len(PROFILES))
    assert all(0 <= ours <= 1 and 0 <= theirs <= 1 for ours, theirs in row["overlaps"])
    form = {figure["name"]: figure for figure in found["figures"] if figure["name"] in FORM}
    assert all(figure["unseen"] is not None for figure in found["figures"] if figure["name"] not in form)
    assert list(form) == list(FORM)
    # No tune here has sixteen bars.
    assert all(0 <= figure["pieces"] <= 1 and figure["people"] is None for figure in form.values())
    assert [tuple(pair) for pair in row["form"]] == [(figure["pieces"], figure["people"]) for figure in form.values()]
    assert found["notes_per_second"] > 0
    again = measure_version(load_policy("prior", trained_folder / CHECKPOINT), dataset)
    assert {name: again[name] for name in again if name != "notes_per_second"} == {
        name: found[name] for name in found if name != "notes_per_second"
    }


def test_generalisation_asks_for_what_nobody_wrote(trained_folder: Path, dataset: MelodyDataset) -> None:
    policy = load_policy("prior", trained_folder / CHECKPOINT)

    steerings = unseen_steerings(policy, dataset)
    asked = {(steering.style, steering.metre, steering.mode) for steering in steerings}

    assert len(steerings) == UNSEEN_PIECES
    assert ("jig", (4, 4), "major") in asked
    assert ("jig", (6, 8), "dorian") in asked
    assert ("jig", (6, 8), "major") not in asked
    assert len({style for style, _, _ in asked}) <= STYLES


@pytest.mark.django_db
def test_the_version_s_page_shows_measures_and_blind_pairs(
    client: Client,
    olga: Account,
    alice: Account,
    measured: dict[str, Any],
    versions: tuple[PolicyVersion, PolicyVersion],
) -> None:
    champion, trial = versions
    VersionDetails.objects.create(version=trial, details=finite(measured))
    said(alice.listener, "challenger", "composer", "first", versions)
    client.force_login(olga)

    page = client.get(f"/admin/dashboard/versions/{trial.pk}/").content.decode()
    unmeasured = client.get(f"/admin/dashboard/versions/{champion.pk}/").content.decode()

    assert "Pitch-class entropy" in page
    assert 'id="measure-profiles"' in page
    assert "Never seen together" in page
    assert "All styles" in page
    assert page.count("Openings that come again after four bars") == 2
    assert "Not enough answers yet: 1 of 10." in page
    assert "before its pieces were measured" in unmeasured
    assert "Blind pairs" not in unmeasured


@pytest.mark.django_db
def test_the_slot_s_page_shows_the_scores_over_all_listeners(
    client: Client, olga: Account, alice: Account, bob: Account, versions: tuple[PolicyVersion, PolicyVersion]
) -> None:
    for account in (alice, bob):
        for _ in range(6):
            said(account.listener, "composer", "human", "first", versions)
    client.force_login(olga)

    page = client.get("/admin/dashboard/slots/composer/").content.decode()

    assert "Blind pairs, over all listeners" in page
    assert "The composer is preferred." in page


@pytest.mark.django_db
def test_a_listener_sees_no_version_and_a_viewer_no_version_that_is_none(
    client: Client, olga: Account, alice: Account, versions: tuple[PolicyVersion, PolicyVersion]
) -> None:
    address = f"/admin/dashboard/versions/{versions[0].pk}/"
    client.force_login(alice)
    assert client.get(address).status_code in (302, 403)

    client.force_login(olga)
    assert client.get("/admin/dashboard/versions/999999/").status_code == 404
