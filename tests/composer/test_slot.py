"""The composer's slot: what it learns from, and which runs it asks for by itself."""

from pathlib import Path

import pytest
from django.utils import timezone

from composer.learning.configuration import ComposerConfiguration
from composer.learning.replay_dataset import build_replay_dataset
from composer.learning.slot import COMPOSER, FIRST_POLICY_SECONDS, FIRST_RUN_SECONDS, FIRST_RUN_TUNES, wanted_run
from recsys.models import CatalogueImport, Track
from tests.composer.test_learning import Context
from tests.conftest import unsaved_track
from training import slots
from training.models import PolicyVersion, Run
from training.slots import NotEnoughToLearnFrom

pytestmark = pytest.mark.django_db


def fill_catalogue(count: int) -> None:
    Track.objects.bulk_create([unsaved_track(number, content_hash=f"{number:064d}") for number in range(count)])


def version(kind: str, tunes: int) -> PolicyVersion:
    return PolicyVersion.objects.create(slot="composer", kind=kind, figures={"tunes": tunes})


def test_the_composer_is_registered() -> None:
    assert slots.functions_of("composer") is COMPOSER


def test_it_learns_from_the_catalogue_and_from_no_piece(tmp_path: Path, alice: object) -> None:
    fill_catalogue(120)
    Track.objects.filter(title__endswith=" 3").delete()

    dataset = build_replay_dataset(Context(ComposerConfiguration(), tmp_path))

    assert dataset.description["tunes"] == Track.objects.count()
    assert dataset.fingerprint == build_replay_dataset(Context(ComposerConfiguration(), tmp_path)).fingerprint


def test_it_says_when_there_is_too_little_music(tmp_path: Path) -> None:
    fill_catalogue(3)

    with pytest.raises(NotEnoughToLearnFrom, match="3 melodies"):
        build_replay_dataset(Context(ComposerConfiguration(), tmp_path))


def test_its_log_names_the_styles_that_have_too_few_tunes(tmp_path: Path) -> None:
    styles = {"reel": 100, "songs of my valley": 20, "jig": 99}
    named = [style for style, count in styles.items() for _ in range(count)]
    Track.objects.bulk_create([unsaved_track(number, style=style) for number, style in enumerate(named)])
    context = Context(ComposerConfiguration(), tmp_path)

    dataset = build_replay_dataset(context)

    said = "Too few to be learned well, since a style needs about 100 melodies: jig (99), songs of my valley (20)."
    assert context.lines == ["Learns from 219 melodies of the catalogue.", said]
    assert set(dataset.styles) == set(styles)


def test_it_wants_nothing_of_an_empty_catalogue() -> None:
    assert wanted_run() is None


def test_the_first_tunes_make_it_want_a_short_prior() -> None:
    fill_catalogue(FIRST_RUN_TUNES)
    CatalogueImport.objects.create(collection="all")

    assert wanted_run() == {"stage": "prior", "seconds": FIRST_RUN_SECONDS}


def test_while_music_arrives_it_waits() -> None:
    fill_catalogue(FIRST_RUN_TUNES * 2)
    version("prior", FIRST_RUN_TUNES)
    CatalogueImport.objects.create(collection="all")

    assert wanted_run() is None


def test_when_all_music_is_there_it_wants_a_full_prior_then_the_policy_then_nothing() -> None:
    fill_catalogue(FIRST_RUN_TUNES * 2)
    version("prior", FIRST_RUN_TUNES)
    CatalogueImport.objects.create(collection="all", finished_at=timezone.now())

    assert wanted_run() == {"stage": "prior"}
    version("prior", FIRST_RUN_TUNES * 2)
    assert wanted_run() == {"stage": "policy", "seconds": FIRST_POLICY_SECONDS}
    version("dqn", FIRST_RUN_TUNES * 2)
    assert wanted_run() is None


def test_a_policy_that_replaces_another_may_take_longer_than_the_first() -> None:
    fill_catalogue(FIRST_RUN_TUNES * 2)
    CatalogueImport.objects.create(collection="all", finished_at=timezone.now())
    version("prior", FIRST_RUN_TUNES * 2)
    version("dqn", FIRST_RUN_TUNES)

    assert wanted_run() == {"stage": "policy"}
    assert (ComposerConfiguration().budget_seconds(None) or 0) > FIRST_POLICY_SECONDS


def test_after_a_failure_a_person_looks_first() -> None:
    fill_catalogue(FIRST_RUN_TUNES)
    Run.objects.create(slot="composer", trigger=Run.Trigger.START, status=Run.Status.FAILED)

    assert wanted_run() is None


def test_every_field_of_the_configuration_is_checked() -> None:
    with pytest.raises(ValueError, match="stage"):
        ComposerConfiguration(stage="encore")
    with pytest.raises(ValueError, match="algorithm"):
        ComposerConfiguration(algorithm="sarsa")
    with pytest.raises(ValueError, match="short_share"):
        ComposerConfiguration(short_share=2.0)


def test_the_cap_shortens_every_stage() -> None:
    assert ComposerConfiguration(stage="policy").budget_seconds(5) == 5
    assert ComposerConfiguration(stage="policy", is_timed=False).budget_seconds(5) is None
    assert ComposerConfiguration(stage="prior", seconds=9.0).budget_seconds(None) == 9
