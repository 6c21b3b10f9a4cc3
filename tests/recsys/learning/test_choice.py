"""The choice model finds what made the choices, and what it finds is what is served."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from accounts.models import Account, Listener
from recsys.learning.choice import NOTHING_FEATURES, ChoiceModel, fit_choice_model
from recsys.learning.dqn_policy import DqnPolicy
from recsys.learning.features import build_state
from recsys.learning.offers import MOST_POSITIONS, Offer, Offers
from recsys.learning.replay_dataset import build
from recsys.learning.training import train
from recsys.learning.windows import CLOCK_NAMES
from recsys.models import Feedback, Recommendation, Track
from tests.recsys.learning.conftest import MONDAY, SMALL, Context, play
from tests.recsys.learning.logged_world import live_under_popularity
from training.models import PolicyVersion

TRUTH = ChoiceModel(
    pleasure=1.5,
    position_2=np.array([-1.0, -0.3]),
    nothing_D=np.array([0.4, *[0.0] * len(CLOCK_NAMES)]),
    nothing_value=0.0,
    rivalry=0.5,
)


def drawn_offers(count: int) -> tuple[Offers, np.ndarray, np.ndarray]:
    """Slates of six, and what was chosen by TRUTH."""
    generator = np.random.default_rng(1)
    listed = Offers.of(
        Offer(state=at, tracks=list(range(6)), position=-1, followed=-1, is_held_out=False, plays=0) for at in range(count)
    )
    pleasure = generator.normal(size=(count, MOST_POSITIONS))
    clock = np.zeros((count, len(CLOCK_NAMES)))
    chance = TRUTH.probabilities(listed, pleasure, clock)
    position = np.array([generator.choice(chance.shape[1], p=row) for row in chance]) - 1
    return replace(listed, position_J=position), pleasure, clock


def test_the_model_finds_the_weights_that_chose() -> None:
    found = fit_choice_model(*drawn_offers(6000), nothing_value=-0.2)

    assert found is not None
    assert found.pleasure == pytest.approx(1.5, abs=0.1)
    places = np.stack([np.arange(6) / 10, np.log1p(np.arange(6))], axis=1)
    assert places @ found.position_2 == pytest.approx(places @ TRUTH.position_2, abs=0.15)
    assert found.nothing_D[0] == pytest.approx(0.4, abs=0.15)
    assert found.nothing_value == -0.2


def test_rivalry_is_how_often_only_one_track_was_played() -> None:
    offers, pleasure, clock = drawn_offers(1000)
    chosen = offers.position_J >= 0
    plays = np.where(chosen, 1 + (np.arange(1000) % 4 > 0), 0)
    found = fit_choice_model(replace(offers, plays_J=plays), pleasure, clock, nothing_value=0.0)

    assert found is not None
    assert found.rivalry == pytest.approx(0.25, abs=0.02)


def test_foretold_shares_are_the_seen_ones() -> None:
    offers, pleasure, clock = drawn_offers(3000)
    found = fit_choice_model(offers, pleasure, clock, nothing_value=0.0)
    assert found is not None
    foretold = found.probabilities(offers, pleasure, clock)

    seen = np.bincount(offers.position_J + 1, minlength=foretold.shape[1]) / len(offers)
    assert foretold.mean(axis=0) == pytest.approx(seen, abs=0.02)


def test_few_slates_and_slates_nobody_chose_from_give_no_model() -> None:
    offers, pleasure, clock = drawn_offers(99)
    assert fit_choice_model(offers, pleasure, clock, nothing_value=0.0) is None

    offers, pleasure, clock = drawn_offers(200)
    unchosen = replace(offers, position_J=np.full(len(offers), -1))
    assert fit_choice_model(unchosen, pleasure, clock, nothing_value=0.0) is None


def test_where_something_is_always_chosen_the_weights_stay_finite() -> None:
    offers, pleasure, clock = drawn_offers(400)
    found = fit_choice_model(replace(offers, position_J=np.zeros(400, dtype=np.int64)), pleasure, clock, nothing_value=0.0)

    assert found is not None
    assert all(np.isfinite(weight).all() for weight in found.weights().values())
    assert found.probabilities(offers, pleasure, clock)[:, 0].mean() < 0.05


def test_served_weights_are_those_of_the_fitted_model() -> None:
    read = ChoiceModel.read(TRUTH.weights())
    assert read is not None
    choices = read.of(np.array([0.3, -0.5]), np.zeros(len(CLOCK_NAMES)), np.array([1.0, 2.0]), 2)
    listed = Offers.of([Offer(state=0, tracks=[0, 1], position=-1, followed=-1, is_held_out=False, plays=0)])
    pleasure = np.zeros((1, MOST_POSITIONS))
    pleasure[0, :2] = [0.3, -0.5]

    weight = np.array([choices.nothing, *(choices.weight_n * choices.position_P)])
    assert weight / weight.sum() == pytest.approx(TRUTH.probabilities(listed, pleasure, np.zeros((1, len(CLOCK_NAMES))))[0, :3])
    assert choices.nothing_value_H.tolist() == [1.0, 2.0]
    assert len(NOTHING_FEATURES) == len(read.nothing_D)


@pytest.fixture
def three_slates(alice: Account, tracks: list[Track]) -> list[Recommendation]:
    """Of the first the third track is played and then the first; of the second, a minute later, none; the third is radio."""
    version = PolicyVersion.objects.create(slot="recommender", kind="random")
    shown = [track.pk for track in tracks[:4]]
    made = [
        Recommendation.objects.create(
            listener=alice.listener,
            created_at=MONDAY + timedelta(minutes=minute),
            policy_version=version,
            seed=1,
            epsilon=0.1,
            candidates=shown,
            tracks=shown[:count],
            scores=[0.0] * count,
            probabilities=[0.1] * count,
        )
        for minute, count in ((0, 4), (10, 4), (40, 1))
    ]
    play(alice.listener, tracks[2], MONDAY + timedelta(minutes=2), 60.0, recommendation=made[0]).save()
    play(alice.listener, tracks[0], MONDAY + timedelta(minutes=4), 60.0, recommendation=made[0]).save()
    Feedback.objects.bulk_create(
        play(alice.listener, track, MONDAY + timedelta(minutes=20 + 3 * number), 60.0) for number, track in enumerate(tracks)
    )
    return made


def test_an_offer_is_what_was_played_first_or_what_followed_instead(
    three_slates: list[Recommendation], tracks: list[Track]
) -> None:
    dataset = build(replace(SMALL, held_out_share=1e-9), as_of=MONDAY + timedelta(days=10))
    offers = dataset.offers

    assert offers.position_J.tolist() == [2, -1]
    assert offers.plays_J.tolist() == [2, 0]
    assert dataset.table.ids_T[dataset.track_N[offers.followed_J]].tolist() == [tracks[2].pk, tracks[0].pk]
    assert (offers.track_JP[:, :4] == dataset.table.rows_of([track.pk for track in tracks[:4]])).all()
    assert (offers.track_JP[:, 4:] == -1).all()
    assert dataset.states["row_open_ML"][offers.state_J].sum(axis=1).tolist() == [0, 2]
    # What followed the slate of which nothing was chosen is the first play of minute 20, not the plays before.
    assert offers.followed_J[1] not in (offers.followed_J[0], -1)


def test_of_an_offer_that_ended_the_session_nothing_followed(three_slates: list[Recommendation]) -> None:
    Recommendation.objects.filter(pk=three_slates[1].pk).update(created_at=MONDAY + timedelta(days=2))
    dataset = build(replace(SMALL, held_out_share=1e-9), as_of=MONDAY + timedelta(days=10))

    assert dataset.offers.followed_J.tolist()[1] == -1


@pytest.fixture
def chooser(checkerboard_tracks: list[Track], tmp_path: Path) -> DqnPolicy:
    """Trained on a log of slates from which everything was played in order."""
    live_under_popularity(listeners=40)
    configuration = replace(SMALL, slates_by_choice=True, updates=200)
    dataset = build(configuration, as_of=MONDAY + timedelta(days=3))
    return DqnPolicy.load(train(Context(folder=tmp_path, configuration=configuration), dataset).checkpoint)


def test_the_checkpoint_keeps_the_model_and_a_policy_serves_it(chooser: DqnPolicy, checkerboard_tracks: list[Track]) -> None:
    listener = Listener.objects.earliest("pk")
    state = build_state(listener, MONDAY + timedelta(days=2))
    ids = [track.pk for track in checkerboard_tracks]
    scores = chooser.score(state, ids)
    choices = chooser.choices(state, ids, scores)

    assert chooser.choice is not None
    assert choices is not None
    # The first of every slate was played first.
    assert choices.position_P[0] > 5 * choices.position_P[1]
    assert choices.weight_n.max() == 1.0
    assert choices.nothing_value_H.shape == (len(scores),)


def test_a_version_that_has_no_choice_model_or_does_not_draw_by_it_goes_on_by_its_scores(
    chooser: DqnPolicy, checkerboard_tracks: list[Track]
) -> None:
    state = build_state(Listener.objects.earliest("pk"), MONDAY + timedelta(days=2))
    ids = [track.pk for track in checkerboard_tracks]
    scores = chooser.score(state, ids)
    model = chooser.choice

    chooser.choice = None
    assert chooser.choices(state, ids, scores) is None
    chooser.choice, chooser.configuration = model, replace(chooser.configuration, slates_by_choice=False)
    assert chooser.choices(state, ids, scores) is None
