"""What counts as a copy of the catalogue, and that none is composed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from composer.constraints import Plan
from composer.copies import (
    FEWEST_TUNES,
    LONGEST_SHARED_NOTES,
    ORDER,
    CatalogueIndex,
    Originality,
    copied_share,
    copy_limits,
    mean_shared_share,
    usual_shares,
)
from composer.judging import taste_liking
from composer.learning.policy import MOST_ATTEMPTS, TASTE_CANDIDATES, ComposerPolicy, _further_seed, load_policy
from composer.steering import Steering
from music.features import NAMES, features
from music.notes import Melody, Note
from tests.composer.conftest import CHECKPOINT
from tests.composer.test_rewards import eighths


def test_a_run_of_the_catalogue_is_told_even_in_another_key() -> None:
    generator = np.random.default_rng(0)
    tune = eighths(*(60 + generator.integers(0, 12, 40)).tolist())
    index = CatalogueIndex.of([tune])

    assert index.longest_shared(tune.transposed(3)) == 40
    assert index.longest_shared(eighths(*(60 + generator.integers(0, 12, 40)).tolist())) == 0


def test_rests_break_no_run_and_short_melodies_have_none() -> None:
    tune = eighths(*(60 + np.random.default_rng(1).integers(0, 12, 20)).tolist())
    with_rest = replace(tune, notes=(*tune.notes[:7], Note(None, Fraction(1)), *tune.notes[7:]))
    index = CatalogueIndex.of([tune])

    assert index.longest_shared(with_rest) == 20
    assert index.longest_shared(replace(tune, notes=tune.notes[: ORDER - 1])) == 0
    assert CatalogueIndex.of([]).longest_shared(tune) == 0


def test_only_runs_of_own_notes_count_where_some_were_given() -> None:
    tune = eighths(*(60 + np.random.default_rng(2).integers(0, 12, 30)).tolist())
    index = CatalogueIndex.of([tune])

    assert index.longest_shared(tune, [False] * 16 + [True] * 14) == 14
    assert index.longest_shared(tune, [False] * 22 + [True] * 8) == 0


def test_what_a_melody_told_anew_had_already_is_no_copy() -> None:
    own, other = (eighths(*(60 + np.random.default_rng(seed).integers(0, 12, 30)).tolist()) for seed in (4, 5))
    index = CatalogueIndex.of([own, other])

    assert index.longest_shared(own.transposed(2), apart_from=own) == 0
    assert index.longest_shared(other, apart_from=own) == 30
    assert index.shared_share(own.transposed(2), own) == 0.0
    assert index.shared_share(other, own) == 1.0
    assert Originality(catalogue=index, limits={}).notes_too_many(other, "reel", apart_from=own) == 30 - LONGEST_SHARED_NOTES
    assert Originality(catalogue=index, limits={}).notes_too_many(own, "reel", apart_from=own) == 0


def test_people_of_a_style_share_as_many_runs_as_theirs_do() -> None:
    generator = np.random.default_rng(6)
    known, *new = (eighths(*(60 + generator.integers(0, 12, 28)).tolist()) for _ in range(1 + FEWEST_TUNES))
    # The first 19 of 28 notes: ten runs of nineteen.
    half = replace(known, notes=(*known.notes[:19], *new[0].notes[:9]))
    index = CatalogueIndex.of([known])
    reels, songs, airs = [("reel", half)] * FEWEST_TUNES, [("song", tune) for tune in new], [("air", known)]

    assert index.shared_share(half) == 10 / 19
    assert mean_shared_share([half, new[0]], index) == pytest.approx(5 / 19)
    shares = usual_shares([*reels, *songs, *airs], index)
    assert shares == pytest.approx({"reel": 10 / 19, "song": 0.0, "": (30 * 10 / 19 + 1) / 61})
    assert usual_shares(airs, index) == {}


def test_a_copy_is_a_longer_run_than_people_of_the_style_share() -> None:
    generator = np.random.default_rng(3)
    tune = eighths(*(60 + generator.integers(0, 12, 60)).tolist())
    catalogue = CatalogueIndex.of([tune])

    def sharing(notes: int) -> Melody:
        return eighths(
            *[note.pitch or 0 for note in tune.notes[:notes]], *(60 + generator.integers(0, 12, 60 - notes)).tolist()
        )

    limits = copy_limits([("reel", sharing(26))] * FEWEST_TUNES + [("jig", sharing(50))] * (FEWEST_TUNES - 1), catalogue)
    written = [sharing(17), sharing(23), sharing(23), sharing(40)]

    assert 25 <= limits["reel"] <= 30
    assert "jig" not in limits
    assert copied_share(written, ["reel", "reel", "jig", "reel"], Originality(catalogue=catalogue, limits=limits)) == 0.5


def tiny_policy(trained_folder: Path) -> ComposerPolicy:
    return load_policy("prior", trained_folder / CHECKPOINT)


PLAN = Plan(steering=Steering(bars=8))


def written(policy: ComposerPolicy, seed: int, plan: Plan = PLAN) -> Melody:
    return policy.write_original([plan], [None], seeds=[seed]).melodies[0]


def test_a_piece_that_would_be_a_copy_is_written_anew_and_always_the_same(trained_folder: Path) -> None:
    plain = tiny_policy(trained_folder)
    known = written(plain, 7)
    careful = replace(plain, originality=Originality(catalogue=CatalogueIndex.of([known]), limits={}))

    other = written(careful, 7)

    assert CatalogueIndex.of([known]).longest_shared(known) > LONGEST_SHARED_NOTES
    assert CatalogueIndex.of([known]).longest_shared(other) <= LONGEST_SHARED_NOTES
    assert other == written(careful, 7)
    assert written(careful, 8) == written(plain, 8)


def test_where_every_attempt_is_a_copy_the_one_that_shares_least_stays(trained_folder: Path) -> None:
    plain = tiny_policy(trained_folder)
    attempts: list[Melody] = []
    for _ in range(MOST_ATTEMPTS):
        known = CatalogueIndex.of(attempts)
        attempts.append(written(replace(plain, originality=Originality(catalogue=known, limits={})), 7))
    everything = CatalogueIndex.of(attempts)

    kept = written(replace(plain, originality=Originality(catalogue=everything, limits={})), 7)

    assert everything.longest_shared(kept) == min(everything.longest_shared(melody) for melody in attempts)


def test_of_candidates_only_an_original_one_is_kept_and_they_are_written_anew_where_there_is_none(trained_folder: Path) -> None:
    plain, taste = tiny_policy(trained_folder), np.random.default_rng(5).normal(size=len(NAMES)) * 0.1
    seeds = [7, *(_further_seed(7, number) for number in range(1, TASTE_CANDIDATES))]
    candidates = plain.write([PLAN] * len(seeds), [taste] * len(seeds), seeds=seeds).melodies
    liked_first = sorted(candidates, key=lambda melody: -taste_liking(features(melody), taste))

    def kept(known: list[Melody]) -> Melody:
        careful = replace(plain, originality=Originality(catalogue=CatalogueIndex.of(known), limits={}))
        alone = careful.compose(PLAN.steering, taste, seed=7).melody
        assert careful.compose_many([PLAN.steering] * 2, [taste, None], seeds=[7, 8])[0].melody == alone
        return alone

    for copies in (0, 1, TASTE_CANDIDATES - 1):
        assert kept(liked_first[:copies]) == liked_first[copies]
    new = kept(candidates)
    assert new not in candidates
    assert CatalogueIndex.of(candidates).longest_shared(new) <= LONGEST_SHARED_NOTES


def test_the_listeners_own_notes_are_no_copy(trained_folder: Path) -> None:
    plain = tiny_policy(trained_folder)
    own = written(plain, 7)
    plan = Plan(steering=Steering(bars=12, primer=own.notes))
    careful = replace(plain, originality=Originality(catalogue=CatalogueIndex.of([own]), limits={}))

    assert written(careful, 9, plan) == written(plain, 9, plan)
