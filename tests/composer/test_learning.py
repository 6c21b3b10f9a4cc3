"""The prior and the policy learn what is known, start where they must, and give the same again."""

from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from composer.constraints import Plan
from composer.copies import SHARED_SHARE, CatalogueIndex
from composer.judging import taste_liking
from composer.learning.additions import Added
from composer.learning.condition import condition
from composer.learning.configuration import ComposerConfiguration
from composer.learning.evaluation import evaluate_prior, judge
from composer.learning.features import INPUTS, SIZES, SOURCE_DURATION, SOURCE_PITCH, observe_melodies
from composer.learning.network import Prior
from composer.learning.policy import TASTE_CANDIDATES, load_policy, new_heads, policy_of
from composer.learning.policy_training import ROLLOUTS_UNTIL_PROVEN, SLOWEST, PolicyTraining, falling
from composer.learning.prior_training import PATIENT_EPOCHS, train_prior
from composer.learning.replay_dataset import MelodyDataset, Tune, group_of
from composer.learning.training import train
from composer.learning.wishes import ASKED_SHARE
from composer.learning.writing import FARNESS_POWER, FLATTEST, Writer, _Writing
from composer.steering import Steering
from composer.tokens import PITCH_COUNT, duration_number, pitch_token
from dqn.checkpoint import BrokenCheckpoint, read_checkpoint
from music.features import NAMES, features
from music.notes import Melody, Note
from tests.conftest import small_melody
from training.slots import NotEnoughToLearnFrom, StopRequested, Trained

torch.set_num_threads(1)


@dataclass
class Context:
    """A `RunContext` without a database."""

    configuration: ComposerConfiguration
    folder: Path
    seed: int = 3
    device: str = "cpu"
    parent_folder: Path | None = None
    stop_after_reports: int | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def report(self, step: int, *, progress: float | None = None, **metrics: float) -> None:
        self.reports.append(metrics)
        if self.stop_after_reports is not None and len(self.reports) >= self.stop_after_reports:
            raise StopRequested

    def log(self, text: str) -> None:
        self.lines.append(text)


def toy_tune(number: int) -> Melody:
    """Up the scale from a tonic and down again, in one rhythm: only the key differs, which tokens do not see."""
    steps = (0, 2, 4, 5, 7, 5, 4, 2)
    notes = tuple(Note(60 + number % 5 + step, Fraction(1, 2)) for _ in range(4) for step in steps)
    return Melody(notes=(*notes, Note(60 + number % 5, Fraction(4))), metre=(4, 4), tonic=number % 5, mode="major")


def toy_catalogue(count: int = 60) -> MelodyDataset:
    tunes = [Tune(melody=toy_tune(n), style="toy", group=str(n)) for n in range(count)]
    return MelodyDataset(tuple(tunes))


def prior_configuration(**changed: Any) -> ComposerConfiguration:
    return ComposerConfiguration(stage="prior", is_timed=False, **{"epochs": 60, "hidden": 32, "threads": 1} | changed)


def policy_configuration(**changed: Any) -> ComposerConfiguration:
    values: dict[str, Any] = {
        "is_timed": False,
        "updates": 8,
        "updates_per_rollout": 4,
        "rollout_pieces": 8,
        "batch_size": 4,
        "replay_pieces": 16,
        "threads": 1,
        "maximum_kl": 100.0,
        "minimum_distinct": 0.0,
    }
    return ComposerConfiguration(stage="policy", **values | changed)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(Context(prior_configuration(epochs=10, prior_batch_size=4), tmp_path_factory.mktemp("prior")), toy_catalogue())


SHORT = {"epochs": 16}
"""Enough to tell two trainings apart, and over before a toy is learned by heart."""


@pytest.fixture(scope="module")
def shortly_trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(Context(prior_configuration(**SHORT), tmp_path_factory.mktemp("short")), toy_catalogue())


def test_inputs_stay_within_their_tables() -> None:
    index = observe_melodies([toy_tune(0), toy_tune(3)], [0, 1])["index"]

    assert index.shape[2] == INPUTS
    assert (index >= 0).all()
    assert (index < np.array(SIZES)).all()


def test_the_network_sees_the_note_a_bar_ago_and_never_the_next_one() -> None:
    melody = toy_tune(0)
    index = observe_melodies([melody], [0])["index"][0]

    # The second source is one bar ago; the ninth note comes one bar after the first.
    assert index[8, SOURCE_PITCH][1] == pitch_token(60, 0)
    assert index[8, SOURCE_DURATION][1] == duration_number(Fraction(1, 2))
    changed = Melody(notes=(*melody.notes[:-1], Note(72, Fraction(4))), metre=(4, 4), tonic=0, mode="major")
    assert (observe_melodies([changed], [0])["index"][0] == index).all()


def test_the_prior_learns_a_toy_catalogue_and_writes_its_tune(trained: Trained) -> None:
    assert trained.kind == "prior"
    assert trained.figures["bits_per_note"] < 1.0
    policy = load_policy("prior", trained.checkpoint)
    steering = Steering(style="toy", tonic=0, bars=4, lowest=55, highest=72)

    melodies = [composed.melody for composed in policy.compose_many([steering] * 20, [None] * 20, seeds=range(20))]

    first_bar = [note.pitch for note in toy_tune(0).notes[:8]]
    assert sum([note.pitch for note in melody.notes[:8]] == first_bar for melody in melodies) >= 10


def test_trained_twice_from_one_seed_the_weights_are_equal(shortly_trained: Trained, tmp_path: Path) -> None:
    again = train(Context(prior_configuration(**SHORT), tmp_path), toy_catalogue())

    first, second = (load_policy("prior", made.checkpoint) for made in (shortly_trained, again))
    assert first.prior_sha256 == second.prior_sha256


@pytest.mark.parametrize("reports", [1, 2, 40])
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    shortly_trained: Trained, tmp_path: Path, reports: int
) -> None:
    with pytest.raises(StopRequested):
        train(Context(prior_configuration(**SHORT), tmp_path, stop_after_reports=reports), toy_catalogue())
    context = Context(prior_configuration(**SHORT), tmp_path)

    resumed = train(context, toy_catalogue())

    assert context.lines[0].startswith("goes on with batch")
    assert (
        load_policy("prior", resumed.checkpoint).prior_sha256 == load_policy("prior", shortly_trained.checkpoint).prior_sha256
    )


def test_a_training_that_learns_by_heart_ends_and_keeps_its_best_weights(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)

    def noise() -> Melody:
        notes = tuple(Note(int(pitch), Fraction(1, 2)) for pitch in generator.integers(60, 72, size=32))
        return Melody(notes=notes, metre=(4, 4), tonic=0, mode="major")

    dataset = MelodyDataset(tuple(Tune(melody=noise(), style="noise", group=str(n)) for n in range(60)))
    configuration = prior_configuration(epochs=80, prior_batch_size=8)
    context = Context(configuration, tmp_path)

    prior = train_prior(context, dataset, configuration, None)

    seen = [report["held_out_bits_per_note"] for report in context.reports if "held_out_bits_per_note" in report]
    assert len(seen) < 80
    assert seen.index(min(seen)) == len(seen) - 1 - PATIENT_EPOCHS
    assert evaluate_prior(prior, dataset)["bits_per_note"] == pytest.approx(min(seen))


@pytest.mark.parametrize("prior_temperature", [1.0, 1.34])
def test_g_starts_at_zero_so_the_policy_starts_exactly_at_the_masked_prior(prior_temperature: float) -> None:
    torch.manual_seed(0)
    prior = Prior(inputs=8, hidden=8, body=8).eval()
    plans = [Plan(steering=Steering(bars=2)) for _ in range(6)]
    conditions = np.stack([condition(plan) for plan in plans])
    advantage, foresight = new_heads(prior)

    def write(writer: Writer, taste: float) -> list[Melody]:
        generators = [np.random.default_rng(n) for n in range(6)]
        tastes = np.full((6, len(NAMES)), taste)
        return writer.write(plans, styles=[0] * 6, condition_BC=conditions, generators=generators, taste_BF=tastes).melodies

    masked_prior = Writer(prior=prior, prior_temperature=prior_temperature)
    policy = replace(masked_prior, advantage=advantage.eval(), foresight=foresight.eval())
    assert write(masked_prior, 0.0) == write(policy, 5.0)


@pytest.fixture(scope="module")
def policy(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    context = Context(policy_configuration(), tmp_path_factory.mktemp("policy"), parent_folder=trained.checkpoint)
    return train(context, toy_catalogue())


def test_the_policy_keeps_its_prior(trained: Trained, policy: Trained) -> None:
    assert policy.kind == "dqn"
    assert load_policy("dqn", policy.checkpoint).prior_sha256 == load_policy("prior", trained.checkpoint).prior_sha256
    assert policy.figures["kl_per_step"] > 0


def test_the_same_wish_gives_the_same_piece(policy: Trained) -> None:
    composer, steering = load_policy("dqn", policy.checkpoint), Steering(style="toy", bars=4)

    first, again = ([composer.compose(steering, None, seed=seed).melody for seed in range(6)] for _ in range(2))

    assert first == again
    assert len({melody.content_hash() for melody in first}) > 1


def test_a_version_gives_its_tunes_the_forms_that_it_was_taught(trained: Trained, policy: Trained) -> None:
    for kind, version in (("prior", trained), ("dqn", policy)):
        composer = load_policy(kind, version.checkpoint)
        assert composer.settings["forms"] == {"toy": {".111.": 60 - len(toy_catalogue().held_out)}}

        tune, phrase = (composer.compose(Steering(style="toy", bars=bars), None, seed=3) for bars in (5, 4))

        assert tune.figures["form"].startswith(".111")
        assert "form" not in phrase.figures


def test_the_gate_lets_pieces_share_no_more_runs_with_tunes_than_people_do(policy: Trained) -> None:
    toys = toy_catalogue().tunes
    others = tuple(Tune(melody=small_melody(number), style="toy", group=str(number)) for number in range(60))

    def check(dataset: MelodyDataset) -> tuple[str, float, float]:
        (found,) = [one for one in judge(policy.checkpoint, None, dataset) if one.name == "runs shared with the catalogue"]
        assert found.figure is not None
        assert found.threshold is not None
        return found.outcome, round(found.figure, 6), round(found.threshold, 6)

    # It was taught toys alone: its runs are theirs. Toys that were kept aside share all of theirs; of few nothing is known.
    outcome, shared, most = check(MelodyDataset(toys))
    assert (outcome, most) == ("fail", SHARED_SHARE)
    assert shared > 2 * SHARED_SHARE
    assert check(MelodyDataset(toys, kept_aside=toys)) == ("pass", shared, 1.0)
    assert check(MelodyDataset(others, kept_aside=others[:1])) == ("pass", 0.0, SHARED_SHARE)


def test_at_strength_zero_every_listener_hears_the_same_piece(policy: Trained) -> None:
    composer, steering = load_policy("dqn", policy.checkpoint), Steering(style="toy", bars=4, taste_strength=0.0)
    tastes = [None, np.ones(len(NAMES)), -np.ones(len(NAMES))]

    pieces = [composer.compose(steering, taste, seed=1).melody for taste in tastes]

    assert pieces[0] == pieces[1] == pieces[2]


def test_of_several_candidates_the_one_the_taste_likes_best_is_kept(policy: Trained) -> None:
    composer, steering = load_policy("dqn", policy.checkpoint), Steering(style="toy", bars=4)
    taste = np.random.default_rng(5).normal(size=len(NAMES)) * 0.1

    kept = composer.compose(steering, taste, seed=4)
    alone = composer.write([Plan(steering=steering)], [taste], seeds=[4]).melodies[0]

    assert kept.figures["candidates"] == TASTE_CANDIDATES
    assert kept.figures["taste_liking"] == pytest.approx(taste_liking(features(kept.melody), taste))
    assert kept.figures["taste_liking"] >= taste_liking(features(alone), taste)


def test_of_several_candidates_the_one_that_takes_the_words_best_is_kept(policy: Trained) -> None:
    composer, steering = load_policy("dqn", policy.checkpoint), Steering(style="toy", bars=4)
    taste = np.random.default_rng(5).normal(size=len(NAMES)) * 0.1

    def height(melody: Melody) -> float:
        return float(np.mean([note.pitch for note in melody.notes if note.pitch is not None]))

    high = composer.compose(steering, None, seed=4, fit=height)
    low = composer.compose(steering, None, seed=4, fit=lambda melody: -height(melody))
    plain = composer.compose(steering, None, seed=4)
    liked = composer.compose(steering, taste, seed=4)
    both = composer.compose(steering, taste, seed=4, fit=height)

    assert height(low.melody) < height(high.melody)
    assert height(low.melody) <= height(plain.melody) <= height(high.melody)
    assert high.figures["candidates"] == TASTE_CANDIDATES
    assert "candidates" not in plain.figures
    assert plain.melody == composer.write([Plan(steering=steering)], [None], seeds=[4]).melodies[0]
    assert both.figures["taste_liking"] <= liked.figures["taste_liking"]
    assert height(both.melody) >= height(liked.melody)


def test_a_policy_trained_twice_from_one_seed_is_equal(trained: Trained, policy: Trained, tmp_path: Path) -> None:
    again = train(Context(policy_configuration(), tmp_path, parent_folder=trained.checkpoint), toy_catalogue())

    first, second = (load_policy("dqn", made.checkpoint).writer.advantage for made in (policy, again))
    assert first is not None
    assert second is not None
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_rewards_are_learned(tmp_path: Path) -> None:
    young = train(Context(prior_configuration(epochs=1), tmp_path / "prior"), toy_catalogue())
    configuration = policy_configuration(
        updates=480, updates_per_rollout=48, rollout_pieces=32, batch_size=16, replay_pieces=128, short_share=1.0
    )
    context = Context(configuration, tmp_path / "policy", parent_folder=young.checkpoint)

    train(context, toy_catalogue())

    earned = [report["reward_short"] for report in context.reports]
    assert np.mean(earned[-4:]) > np.mean(earned[:2]) + 1.5


@pytest.mark.parametrize("algorithm", ["q", "double_q", "psi", "g"])
def test_every_algorithm_can_be_chosen(trained: Trained, policy: Trained, tmp_path: Path, algorithm: str) -> None:
    configuration = policy_configuration(algorithm=algorithm)
    context = Context(configuration, tmp_path, parent_folder=trained.checkpoint)
    prior = load_policy("prior", trained.checkpoint)

    made = train(context, toy_catalogue())

    assert made.kind == "dqn"
    learner = PolicyTraining(context, toy_catalogue(), configuration, prior, None).learner
    assert learner.configuration.algorithm == algorithm
    own, usual = (load_policy("dqn", each.checkpoint).writer.advantage for each in (made, policy))
    assert own is not None
    assert usual is not None
    is_same = all(torch.equal(a, b) for a, b in zip(own.parameters(), usual.parameters(), strict=True))
    # Over several steps g and kl_residual are the same soft return.
    assert is_same == (algorithm == "g")


def test_what_was_written_lately_or_stands_in_the_catalogue_costs(trained: Trained, tmp_path: Path) -> None:
    context = Context(policy_configuration(), tmp_path)
    training = PolicyTraining(context, toy_catalogue(), context.configuration, load_policy("prior", trained.checkpoint), None)
    plans = [Plan(steering=Steering(style="toy", bars=4))] * 4
    written = training.policy.write(plans, [None] * 4, seeds=range(4))
    # Twice one piece, and twice a tune of the catalogue, the second time as people's.
    written.melodies[1] = written.melodies[0]
    written.melodies[2:] = [toy_tune(0), toy_tune(0)]
    phi_BF = np.stack([features(melody) for melody in written.melodies])
    is_example_B = np.array([False, False, False, True])

    reward_BN = training._rewards(written, plans, phi_BF, np.zeros(4, dtype=np.bool_), is_example_B)

    first, again, copied, of_people = reward_BN.sum(axis=1)
    assert first - again == pytest.approx(training.novelty.weight * np.log(2))
    weights, notes = training.judge.weights, len(toy_tune(0).notes)
    assert copied - of_people == pytest.approx(weights.copied_note * (notes - weights.longest_shared_notes))
    assert weights.copied_note < 0 < training.novelty.weight


def test_the_guard_keeps_the_last_good_weights(trained: Trained, tmp_path: Path) -> None:
    context = Context(policy_configuration(maximum_kl=0.0, prior_temperature=1.0), tmp_path, parent_folder=trained.checkpoint)

    made = train(context, toy_catalogue())

    assert any("kl_per_step" in line and "above 0" in line for line in context.lines)
    assert made.figures["kl_per_step"] == 0.0


def collapse(training: PolicyTraining) -> None:
    """Some tokens are worth so much more than all others that one phrase is written again and again."""
    with torch.no_grad():
        for name, weight in training.learner.network.named_parameters():
            if name in ("pitch.bias", "duration.bias"):
                weight.add_(40 * torch.arange(len(weight)))


@pytest.mark.parametrize("collapse_after", [13, 19])
def test_weights_that_write_the_same_again_and_again_are_not_kept(tmp_path: Path, collapse_after: int) -> None:
    young = train(Context(prior_configuration(epochs=1), tmp_path / "prior"), toy_catalogue())
    context = Context(policy_configuration(), tmp_path / "policy")
    configuration = policy_configuration(
        updates=4 * collapse_after, rollout_pieces=24, replay_pieces=64, short_share=1.0, minimum_distinct=0.5
    )
    training = PolicyTraining(context, toy_catalogue(), configuration, load_policy("prior", young.checkpoint), None)
    beginning = training.good
    training.run()
    assert context.lines == []

    collapse(training)
    training.configuration = replace(configuration, updates=400)
    kept = training.run()

    assert len(context.lines) == 1
    assert "distinct_short" in context.lines[0]
    assert "is below 0.5" in context.lines[0]
    assert training.rollouts < collapse_after + 12
    # Phrases as listeners ask for them still differ in key and range.
    assert context.reports[collapse_after]["distinct_short"] < ASKED_SHARE + 0.1
    assert not torch.equal(kept["advantage.pitch.weight"], beginning["advantage.pitch.weight"])
    assert kept["advantage.pitch.bias"].abs().max() < 10 < training.learner.weights()["pitch.bias"].abs().max()


def test_what_the_guard_knows_outlives_a_stop(tmp_path: Path) -> None:
    young = train(Context(prior_configuration(epochs=1), tmp_path / "prior"), toy_catalogue())
    prior = load_policy("prior", young.checkpoint)
    configuration = policy_configuration(
        updates=400, rollout_pieces=24, replay_pieces=64, short_share=1.0, minimum_distinct=0.5
    )
    folder = tmp_path / "policy"
    context = Context(configuration, folder, stop_after_reports=2 * ROLLOUTS_UNTIL_PROVEN)
    stopped = PolicyTraining(context, toy_catalogue(), configuration, prior, None)
    with pytest.raises(StopRequested):
        stopped.run()
    good = stopped.good
    collapse(stopped)
    stopped.unproven = stopped._weights()
    stopped._keep()

    context = Context(configuration, folder)
    resumed = PolicyTraining(context, toy_catalogue(), configuration, prior, None)

    assert resumed.running == pytest.approx(stopped.running)
    assert resumed.novelty.cost(toy_tune(0)) == stopped.novelty.cost(toy_tune(0))
    assert (resumed.novelty.remembered_nD == stopped.novelty.remembered_nD).all()
    kept = resumed.run()
    assert "is below 0.5" in context.lines[-1]
    assert kept.keys() == good.keys()
    assert all(torch.equal(kept[name], good[name]) for name in good)


def test_a_policy_whose_training_was_stopped_goes_on(trained: Trained, tmp_path: Path) -> None:
    configuration = policy_configuration(updates=40)
    with pytest.raises(StopRequested):
        train(Context(configuration, tmp_path, parent_folder=trained.checkpoint, stop_after_reports=10), toy_catalogue())

    context = Context(configuration, tmp_path, parent_folder=trained.checkpoint)

    assert train(context, toy_catalogue()).kind == "dqn"
    assert context.lines[0].startswith("Goes on after ")
    assert len(context.reports) < 10


def test_the_learning_rate_stays_for_half_of_the_training_and_then_falls() -> None:
    factors = [falling(share) for share in (0.0, 0.5, 0.75, 1.0)]

    assert factors == pytest.approx([1.0, 1.0, (1 + SLOWEST) / 2, SLOWEST])


def test_without_a_prior_there_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughToLearnFrom, match="no prior"):
        train(Context(policy_configuration(), tmp_path), toy_catalogue())


def test_it_refuses_another_kind_and_a_prior_as_policy(trained: Trained) -> None:
    with pytest.raises(ValueError, match="prior, dqn"):
        load_policy("markov", trained.checkpoint)
    with pytest.raises(BrokenCheckpoint):
        load_policy("dqn", trained.checkpoint)


def test_it_refuses_a_policy_of_an_earlier_version_and_says_what_to_do(policy: Trained) -> None:
    checkpoint = read_checkpoint(policy.checkpoint)
    earlier = replace(checkpoint, configuration={**checkpoint.configuration, "heads": 1})

    with pytest.raises(BrokenCheckpoint, match="train the policy again"):
        policy_of("dqn", earlier)
    assert policy_of("prior", earlier).prior_sha256 == load_policy("prior", policy.checkpoint).prior_sha256


def test_variants_are_held_out_together() -> None:
    melody = toy_tune(0)
    other_end = Melody(notes=(*melody.notes[:-1], Note(72, Fraction(4))), metre=(4, 4), tonic=0, mode="major")

    assert group_of(melody) == group_of(other_end.transposed(4))


def test_a_benchmark_keeps_its_own_tunes_aside() -> None:
    tunes = tuple(Tune(melody=toy_tune(number), style="toy", group=str(number)) for number in range(60))
    aside = (Tune(melody=toy_tune(60), style="toy", group="60"),)

    usual, split = MelodyDataset(tunes), MelodyDataset(tunes, kept_aside=aside)

    assert usual.held_out
    assert set(usual.training) | set(usual.held_out) == set(tunes)
    assert not set(usual.training) & set(usual.held_out)
    assert (split.training, split.held_out) == (tunes, aside)


def test_a_toy_tune_stands_in_the_catalogues_index() -> None:
    assert CatalogueIndex.of([toy_tune(0)]).longest_shared(toy_tune(2)) == len(toy_tune(2).notes)


def test_who_asks_to_be_far_from_what_is_usual_hears_less_of_g() -> None:
    prior = Prior(hidden=16)
    advantage, _ = new_heads(prior)
    torch.nn.init.normal_(advantage.pitch.bias, std=2.0, generator=torch.Generator().manual_seed(1))
    open_K = np.arange(12)

    def told(closeness: float | None) -> np.ndarray:
        plan = Plan(steering=Steering(closeness=closeness))
        condition_BC, dice = condition(plan)[None], [np.random.default_rng(1)]
        writer = Writer(prior=prior, advantage=advantage)
        writing = _Writing(writer, [plan], [0], np.zeros_like(condition_BC), dice, None, False, None, None)
        writing.prior.look(writing.lines.observe(), np.zeros(1, dtype=np.bool_))
        rules_BR, standing_BS = writing.rules.observe(writing.lines), writing.rules.standing(writing.lines)
        heads = (writing.advantage, None)
        added = Added(writing.prior, *heads, writing.farness_B1, rules_BR, standing_BS, np.zeros_like(condition_BC))
        g_BP = added.pitches(np.isin(np.arange(PITCH_COUNT), open_K)[None])
        assert g_BP is not None
        told_K: np.ndarray = g_BP[0, open_K]
        return told_K

    assert np.abs(told(None)).max() > 1.0
    assert told(0.0) == pytest.approx(told(None) / FLATTEST**FARNESS_POWER, rel=1e-5)
    assert told(1.0) == pytest.approx(told(None), rel=1e-6)
