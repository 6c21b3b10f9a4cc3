import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from accounts.models import Account, Listener
from music.features import NAMES
from recsys.models import Choice, Feedback, Track
from recsys.taste import profile, profile_of, taste_from, taste_of
from recsys.taste_answers import CHOICE_SCALE, Answers, answers_from, posterior, standardise, with_choices, worth_of_play
from recsys.taste_features import scale_of
from recsys.taste_population import Population, first_guess, fit, population, refit_population

D = len(NAMES)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def answers(generator: np.random.Generator, count: int, weights_D: np.ndarray | None = None, noise: float = 0.4) -> Answers:
    """Answers of a listener with these true weights."""
    z_nD = generator.normal(size=(count, D))
    worth_n = z_nD @ weights_D if weights_D is not None else np.zeros(count)
    return Answers(z_nD=z_nD, worth_n=worth_n + noise * generator.normal(size=count), variance_n=np.full(count, noise**2))


def test_one_answer_gives_the_posterior_known_in_closed_form() -> None:
    # Two weights of variance 1 and 2, one answer 3 with variance 1 at x = (1, 1): gain = (1, 2)/(1 + 2 + 1).
    one = Answers(z_nD=np.array([[1.0]]), worth_n=np.array([3.0]), variance_n=np.array([1.0]))

    mean, covariance = posterior(np.zeros(2), np.diag([1.0, 2.0]), one)

    np.testing.assert_allclose(mean, [0.75, 1.5])
    np.testing.assert_allclose(covariance, [[0.75, -0.5], [-0.5, 1.0]])


def test_many_answers_give_the_same_posterior_as_one_after_another() -> None:
    given = answers(np.random.default_rng(1), 80, np.ones(D) / 7)
    together = taste_from(given, first_guess())
    one_by_one = taste_from(given.__class__(z_nD=np.zeros((0, D)), worth_n=np.zeros(0), variance_n=np.zeros(0)), first_guess())
    for n in range(len(given)):
        one = Answers(z_nD=given.z_nD[[n]], worth_n=given.worth_n[[n]], variance_n=given.variance_n[[n]])
        one_by_one = one_by_one.after(one)

    np.testing.assert_allclose(one_by_one.mean_D, together.mean_D, atol=1e-9)
    np.testing.assert_allclose(one_by_one.covariance_DD, together.covariance_DD, atol=1e-9)
    assert one_by_one.answers == together.answers == 80


def test_a_taste_finds_the_weights_behind_the_answers() -> None:
    generator = np.random.default_rng(2)
    weights_D = generator.normal(size=D) * 0.2

    found = taste_from(answers(generator, 600, weights_D), first_guess())

    assert np.corrcoef(found.mean_D, weights_D)[0, 1] > 0.97
    assert not found.abstains


def test_the_stated_deviation_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(3)
    known = first_guess()
    covered = []
    for _ in range(60):
        joint_P = generator.multivariate_normal(known.mean_P, known.covariance_PP)
        given = answers(generator, 15, joint_P[1:])
        given = Answers(z_nD=given.z_nD, worth_n=given.worth_n + joint_P[0], variance_n=given.variance_n)
        found = taste_from(given, known)
        errors = np.abs(found.mean_D - joint_P[1:]) / np.sqrt(np.diag(found.covariance_DD))
        covered.append((errors < 1.96).mean())

    assert 0.93 < float(np.mean(covered)) < 0.97


def test_it_abstains_without_answers_and_says_so() -> None:
    nobody = taste_from(Answers(z_nD=np.zeros((0, D)), worth_n=np.zeros(0), variance_n=np.zeros(0)), first_guess())

    assert nobody.abstains
    assert nobody.certainty == 0
    assert "Too early" in profile_of(nobody).sentence


def test_it_abstains_after_three_ratings_but_not_after_forty() -> None:
    generator = np.random.default_rng(4)
    few = taste_from(answers(generator, 3), first_guess())
    many = taste_from(answers(generator, 40), first_guess())

    assert few.abstains
    assert not many.abstains
    assert 0 < few.certainty < many.certainty < 1


def test_a_score_has_mean_and_deviation_in_units_of_reward() -> None:
    features = np.full(D, 0.5)
    found = taste_from(answers(np.random.default_rng(5), 30), first_guess())
    x_P = np.concatenate([[1.0], standardise(features)])

    mean, deviation = found.score(features)

    assert mean == pytest.approx(float(x_P @ found.joint_mean_P))
    assert deviation == pytest.approx(float(np.sqrt(x_P @ found.joint_covariance_PP @ x_P)))


def test_the_population_is_found_from_many_listeners() -> None:
    generator = np.random.default_rng(6)
    everybody_D = np.zeros(D)
    everybody_D[:3] = [0.5, -0.4, 0.3]
    listeners = []
    for _ in range(150):
        own_D = everybody_D.copy()
        own_D[5] += generator.normal() * 0.6
        listeners.append(answers(generator, 30, own_D))

    fitted = fit(listeners)

    weights_D, deviations_D = fitted.mean_P[1:], np.sqrt(np.diag(fitted.covariance_PP))[1:]
    assert fitted.listeners == 150
    np.testing.assert_allclose(weights_D[:3], [0.5, -0.4, 0.3], atol=0.1)
    assert int(deviations_D.argmax()) == 5
    assert deviations_D[5] == pytest.approx(0.6, abs=0.12)


def test_a_learnt_population_needs_fewer_answers_than_a_guess() -> None:
    generator = np.random.default_rng(7)

    def listener(count: int) -> tuple[np.ndarray, Answers]:
        own_D = np.zeros(D)
        own_D[5] = generator.normal()
        return own_D, answers(generator, count, own_D)

    learnt = fit([listener(30)[1] for _ in range(100)])
    errors: dict[str, list[float]] = {"learnt": [], "guess": []}
    for _ in range(40):
        own_D, few = listener(6)
        for name, known in {"learnt": learnt, "guess": first_guess()}.items():
            errors[name].append(float(np.square(taste_from(few, known).mean_D - own_D).sum()))

    assert np.mean(errors["learnt"]) < 0.6 * np.mean(errors["guess"])


def test_how_much_answers_scatter_is_found_from_many_listeners() -> None:
    generator = np.random.default_rng(6)
    told = [answers(generator, 200, generator.normal(size=D) * 0.07) for _ in range(40)]
    surer = [Answers(z_nD=each.z_nD, worth_n=each.worth_n, variance_n=each.variance_n / 4) for each in told]

    assert 0.7 < fit(told).noise < 1.4
    assert 2.8 < fit(surer).noise < 5.6


def test_nobody_answered_leaves_the_first_guess() -> None:
    np.testing.assert_array_equal(fit([]).covariance_PP, first_guess().covariance_PP)


def test_a_play_says_the_more_the_longer_it_lasted() -> None:
    assert worth_of_play(5, 100) == worth_of_play(25, 100) == -0.5
    assert worth_of_play(90, 100) == worth_of_play(100, 100) == 0.3
    assert -0.5 < worth_of_play(50, 100) < 0.3
    # Of a long track thirty seconds are early, not a quarter of it.
    assert worth_of_play(30, 600) == -0.5 < worth_of_play(100, 600)


NOTHING = Answers(z_nD=np.zeros((0, D)), worth_n=np.zeros(0), variance_n=np.zeros(0))


def chosen(generator: np.random.Generator, count: int, weights_D: np.ndarray) -> Answers:
    """Choices of a listener with these true weights, drawn by Bradley and Terry's rule."""
    centre, spread = (np.array([getattr(scale_of(name), part) for name in NAMES]) for part in ("centre", "spread"))
    first, second = (generator.normal(centre, spread, size=(count, D)) for _ in range(2))
    odds = (standardise(first) - standardise(second)) @ weights_D / CHOICE_SCALE
    is_first = generator.random(count) < 1 / (1 + np.exp(-odds))
    rows = zip(is_first, first, second, strict=True)
    return with_choices(NOTHING, [("first" if won else "second", one.tolist(), other.tolist()) for won, one, other in rows])


def test_a_choice_has_the_posterior_of_the_logistic_likelihood() -> None:
    # One weight of variance 1, one choice won at a difference of 1 with scale 1: the posterior on a fine grid.
    one = Answers(
        z_nD=np.zeros((0, 1)), worth_n=np.zeros(0), variance_n=np.zeros(0),
        difference_mD=np.array([[1.0]]), won_m=np.array([1.0]), choice_scale=1.0,
    )  # fmt: skip
    grid = np.linspace(-6, 6, 20001)
    density = np.exp(-(grid**2) / 2) / (1 + np.exp(-grid))
    mean = (grid * density).sum() / density.sum()
    deviation = np.sqrt(((grid - mean) ** 2 * density).sum() / density.sum())

    found, covariance = posterior(np.zeros(2), np.eye(2), one)

    assert found[0] == 0.0  # a choice says nothing about generosity …
    assert covariance[0, 0] == 1.0
    assert found[1] == pytest.approx(mean, rel=0.03)
    assert np.sqrt(covariance[1, 1]) == pytest.approx(deviation, rel=0.03)


def test_no_difference_moves_nothing_and_makes_surer() -> None:
    first, second = np.full(D, 0.2).tolist(), np.full(D, 0.6).tolist()

    tie = taste_from(with_choices(NOTHING, [("no_difference", first, second)] * 4), first_guess())

    np.testing.assert_allclose(tie.mean_D, first_guess().mean_P[1:], atol=1e-12)
    assert tie.certainty > 0
    assert tie.answers == 4


def test_a_taste_finds_the_weights_behind_choices_alone() -> None:
    generator = np.random.default_rng(12)
    weights_D = generator.normal(size=D) * 0.07

    found = taste_from(chosen(generator, 1000, weights_D), first_guess())

    assert np.corrcoef(found.mean_D, weights_D)[0, 1] > 0.9
    inside = np.abs(found.mean_D - weights_D) < 1.96 * np.sqrt(np.diag(found.covariance_DD))
    assert inside.mean() > 0.85


def test_the_first_and_the_second_are_treated_alike() -> None:
    first, second = np.full(D, 0.2).tolist(), np.full(D, 0.6).tolist()

    one = taste_from(with_choices(NOTHING, [("first", first, second)]), first_guess())
    other = taste_from(with_choices(NOTHING, [("second", second, first)]), first_guess())

    np.testing.assert_allclose(one.mean_D, other.mean_D)


def test_a_skipped_choice_and_one_of_other_features_say_nothing() -> None:
    told = with_choices(NOTHING, [("skip", [0.1] * D, [0.2] * D), ("first", [0.1, 0.2], [0.3, 0.4])])

    assert len(told) == 0


def test_draws_from_a_taste_scatter_as_it_is_unsure() -> None:
    taste = taste_from(chosen(np.random.default_rng(3), 200, np.full(D, 0.1)), first_guess())

    drawn = np.stack([taste.draw(np.random.default_rng(seed)) for seed in range(2000)])

    np.testing.assert_allclose(drawn.mean(axis=0), taste.mean_D, atol=0.01)
    np.testing.assert_allclose(drawn.std(axis=0), np.sqrt(np.diag(taste.covariance_DD)), rtol=0.1)


def test_only_standing_opinions_speak() -> None:
    features = {track: (np.full(D, 0.3), 60.0) for track in range(1, 6)}
    rows: list[tuple[int, str, float | None]] = [
        (1, "rate", 1.0), (1, "rate", 5.0), (2, "like", None), (2, "unlike", None), (3, "like", None), (3, "dislike", None),
        (4, "ban", None), (5, "play", 60.0), (5, "play", 2.0), (9, "like", None),
    ]  # fmt: skip

    found = answers_from(rows, features)

    assert sorted(found.worth_n.tolist()) == pytest.approx([-1.0, -1.0, -0.1, 1.0])
    assert found.variance_n.tolist() == [0.16, 0.36, 0.36, 0.5]


@pytest.fixture
def alice() -> Listener:
    return Account.objects.create_user("alice@example.org", "a long passphrase").listener


def make_track(number: int, features: np.ndarray) -> Track:
    return Track.objects.create(
        title=f"Tune {number}", style="reel", collection="test", tonic=0, mode="major", metre="4/4", tempo=120.0, bars=8,
        duration_seconds=60.0, note_count=32, score={}, features=features.tolist(), content_hash=str(number),
    )  # fmt: skip


def say(listener: Listener, track: Track, kind: str, value: float | None, minute: int) -> None:
    moment = NOON + timedelta(minutes=minute)
    Feedback.objects.create(
        listener=listener, client_id=uuid.uuid4(), track=track, kind=kind, value=value, occurred_at=moment, received_at=moment
    )


@pytest.mark.django_db
def test_ratings_of_leaping_tunes_become_a_readable_taste(alice: Listener) -> None:
    generator = np.random.default_rng(8)
    leaps = NAMES.index("share_of_leaps")
    for number in range(40):
        features = generator.uniform(0.2, 0.6, size=D)
        features[leaps] = 0.05 if number % 2 else 0.3
        say(alice, make_track(number, features), "rate", 1.0 if number % 2 else 5.0, number)

    found = profile(alice)

    assert not found.abstains
    assert found.likings[0].name == "share_of_leaps"
    assert found.likings[0].is_certain
    assert "leaps" in found.sentence
    assert found.answers == 40


@pytest.mark.django_db
def test_a_taste_is_read_as_of_a_moment(alice: Listener) -> None:
    track = make_track(1, np.full(D, 0.4))
    say(alice, track, "rate", 5.0, minute=0)
    say(alice, track, "unrate", None, minute=10)

    assert taste_of(alice, NOON - timedelta(minutes=1)).answers == 0
    assert taste_of(alice, NOON + timedelta(minutes=5)).answers == 1
    assert taste_of(alice).answers == 0


@pytest.mark.django_db
def test_a_choice_counts_at_once_and_as_of_its_moment(alice: Listener) -> None:
    leaping, calm = np.full(D, 0.4), np.full(D, 0.4)
    leaping[NAMES.index("share_of_leaps")], calm[NAMES.index("share_of_leaps")] = 0.4, 0.0
    Choice.objects.create(
        listener=alice, client_id=uuid.uuid4(), answer="first", occurred_at=NOON, received_at=NOON,
        first_features=leaping.tolist(), second_features=calm.tolist(),
    )  # fmt: skip

    assert taste_of(alice, NOON - timedelta(minutes=1)).answers == 0
    assert taste_of(alice).answers == 1
    assert taste_of(alice).mean_D[NAMES.index("share_of_leaps")] > 0


@pytest.mark.django_db
def test_it_takes_three_queries(alice: Listener, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    for number in range(5):
        say(alice, make_track(number, np.full(D, 0.4)), "like", None, number)

    with django_assert_num_queries(3):
        taste_of(alice)


@pytest.mark.django_db
def test_the_population_is_refitted_from_the_log_and_used_at_once(alice: Listener, settings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    settings.ENCORE_VAR = tmp_path
    assert population().listeners == 0
    for number in range(6):
        say(alice, make_track(number, np.full(D, 0.4)), "rate", 4.0, number)

    fitted = refit_population()

    assert fitted.listeners == population().listeners == 1
    np.testing.assert_array_equal(population().mean_P, fitted.mean_P)
    assert isinstance(taste_of(alice).population, Population)


def test_a_damaged_population_file_falls_back_to_the_guess(settings, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    settings.ENCORE_VAR = tmp_path
    (tmp_path / "taste_population.safetensors").write_bytes(b"not a state")

    assert population().listeners == 0


@pytest.mark.django_db
def test_the_page_says_that_it_is_too_early(client: Client, alice: Listener) -> None:
    assert alice.account is not None
    client.force_login(alice.account)

    assert "Too early to say" in client.get("/taste/").content.decode()


@pytest.mark.django_db
def test_the_page_shows_the_surest_traits_with_their_uncertainty(client: Client, alice: Listener) -> None:
    generator = np.random.default_rng(9)
    leaps = NAMES.index("share_of_leaps")
    for number in range(40):
        features = generator.uniform(0.2, 0.6, size=D)
        features[leaps] = 0.05 if number % 2 else 0.3
        say(alice, make_track(number, features), "rate", 1.0 if number % 2 else 5.0, number)
    assert alice.account is not None
    client.force_login(alice.account)

    answer = client.get("/taste/")

    first = answer.context["traits"][0]
    assert first.liking.name == "share_of_leaps"
    assert first.low_place < first.place < first.high_place <= 200
    assert first.low_place > 100
    assert "leaps" in answer.content.decode()


@pytest.mark.django_db
def test_a_stranger_is_asked_to_sign_in(client: Client) -> None:
    assert client.get("/taste/").status_code == 302
