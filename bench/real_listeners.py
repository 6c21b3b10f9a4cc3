"""Likes that people give when tracks are chosen one after another, learning after every answer, from nothing known (CM100k).

Before: real_listeners_sessions, dqn. Choices are among the tracks a person rated, drawn uniformly: replay needs no weights. The
service builds states from its database, which has no foreign ids: learner, replay and targets are its own, the state is not."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bench.real_listeners_draws import LIKED
from bench.real_listeners_sessions import (
    CHANCE,
    COUNTED_AFTER,
    FEATURES,
    SESSION_FEATURES,
    STEPS,
    SURPRISE,
    TASTE_FEATURES,
    Asked,
    Bools,
    Choose,
    People,
    Tastes,
    ask_all,
    best,
    best_by_mean,
    by_chance,
    by_rating,
    random_track,
    tables,
)
from bench.real_listeners_tastes import Floats, Indices, least_squares
from bench.report import SHARED_FILES, Report, make_parser, read_options, say
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Batch, Episodes, Replay

FOLDS = 5
VISIBLE_WIN = (0.16, 0.19, 0.21)
"""Likes more than the strongest baseline, from which a difference stands out of three hundred people's noise."""
LISTED = 8
"""Tracks of a step that the learner sees: the one taken and open ones beside it, as the recommender's replay has them."""


class Network(nn.Module):
    """Q = chance of a like now and, looking ahead, what it leads to: a value of the session and a part by the track."""

    mean_F: Tensor
    scale_F: Tensor

    def __init__(self, mean_F: Floats, spread_F: Floats, *, sees_taste: bool, looks_ahead: bool, width: int = 24) -> None:
        super().__init__()
        self.looks_ahead = looks_ahead
        self.sees_taste = sees_taste
        seen_F = np.ones(FEATURES)
        if not sees_taste:
            seen_F[TASTE_FEATURES] = 0
        self.register_buffer("mean_F", torch.as_tensor(mean_F, dtype=torch.float32))
        self.register_buffer("scale_F", torch.as_tensor(seen_F / spread_F, dtype=torch.float32))
        last_now = nn.Linear(width, 1)
        self.now = nn.Sequential(nn.Linear(FEATURES, width), nn.ReLU(), last_now)
        last, last_of_session = nn.Linear(16, 1), nn.Linear(width, 1)
        self.later = nn.Sequential(nn.Linear(SESSION_FEATURES, 16), nn.ReLU(), last)
        self.session = nn.Sequential(nn.Linear(SESSION_FEATURES, width), nn.ReLU(), last_of_session)
        for layer in (last_now, last, last_of_session):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def scaled(self, observation: dict[str, Tensor]) -> Tensor:
        """Features of mean 0 and spread 1; those that may not be seen are 0."""
        scaled: Tensor = (observation["features"] - self.mean_F) * self.scale_F
        return scaled

    def like_logit(self, observation: dict[str, Tensor]) -> Tensor:
        """Logit of the chance that each listed track is liked. Learning starts at what the taste models say."""
        told = observation["features"][..., CHANCE] if self.sees_taste else 0.0
        logit: Tensor = told + self.now(self.scaled(observation)).squeeze(-1)
        return logit

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Q of each listed track. Looking ahead, the chance of a like is learnt from likes alone, not from returns."""
        now = torch.sigmoid(self.like_logit(observation))
        if not self.looks_ahead:
            return now
        x = self.scaled(observation)
        session = x[..., -SESSION_FEATURES:]
        # Returns are noisy and say little about single tracks: only how uncertain a track is may change what it leads to.
        later = self.later(session).squeeze(-1) * x[..., SURPRISE]
        values: Tensor = now.detach() + later + self.session(session).squeeze(-1)
        return values


def learn_likes(network: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Every listed track teaches how likely it was to be liked: training people told."""
    assert isinstance(network, Network)
    told = batch.observation["is_open"]
    error = binary_cross_entropy_with_logits(
        network.like_logit(batch.observation), batch.observation["liked"], weight=told, reduction="sum"
    )
    return {"likes": error / told.sum().clamp(min=1)}


@dataclass(kw_only=True)
class Lived:
    """Sessions, step after step, as Episodes need them."""

    features: list[Floats] = field(default_factory=list)
    liked: list[Bools] = field(default_factory=list)
    listed: list[Bools] = field(default_factory=list)
    reward: list[Floats] = field(default_factory=list)
    answered: list[Bools] = field(default_factory=list)

    def keep(self, asked: Asked, features_PAF: Floats, place_P: Indices, generator: np.random.Generator) -> None:
        """The step before it is taken: the track to be asked for and some open ones."""
        lottery_PA = np.where(asked.open_PA, generator.random(asked.open_PA.shape), -1.0)
        np.put_along_axis(lottery_PA, place_P[:, None], 2.0, axis=1)
        listed_PL = np.argsort(-lottery_PA, axis=1)[:, :LISTED]
        self.features.append(np.take_along_axis(features_PAF, listed_PL[:, :, None], axis=1))
        self.liked.append(np.take_along_axis(asked.people.rating_PA, listed_PL, axis=1) >= LIKED)
        self.listed.append(np.take_along_axis(asked.open_PA, listed_PL, axis=1))

    def episodes(self, discount: float) -> Episodes:
        """The track taken is the first listed and the only one open, so that returns are those of the policy that acted."""

        def stacked(steps: list[Any], dtype: torch.dtype) -> Tensor:
            return torch.from_numpy(np.stack(steps, axis=1)).to(dtype)

        valid_PT = stacked(self.answered, torch.bool)
        ends_PT = valid_PT & ~torch.cat([valid_PT[:, 1:], torch.zeros_like(valid_PT[:, :1])], dim=1)
        listed_PTA = stacked(self.listed, torch.float32)
        taken_PTA = torch.zeros_like(listed_PTA, dtype=torch.bool)
        taken_PTA[..., 0] = True
        return Episodes(
            observation={
                "features": stacked(self.features, torch.float32),
                "liked": stacked(self.liked, torch.float32),
                "is_open": listed_PTA,
            },
            mask_BTA=taken_PTA,
            action_BT=torch.zeros(valid_PT.shape, dtype=torch.int64),
            reward_BT=stacked(self.reward, torch.float32),
            discount_BT=torch.where(ends_PT, 0.0, discount),
            valid_BT=valid_PT,
        )


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How ours practises on the training people."""

    rounds: int = 2
    updates: int = 120
    discount: float = 0.0
    """Looking ahead by returns costs likes here: thirty noisy answers say too little about what a track leads to."""
    lambda_return: float = 0.9
    exploring: float = 0.04
    """Spread of the noise on Q while practising, in likes."""
    inner_folds: int = 3
    sees_taste: bool = True


def practise(groups: list[tuple[People, Tastes]], effort: Effort, seed: int, device: str) -> Network:
    """Policy iteration on people whose own answers the tastes have not seen."""
    torch.manual_seed(seed)
    generator = np.random.default_rng([seed, 5])
    first = np.concatenate([Asked.start(*group).features().reshape(-1, FEATURES) for group in groups])
    spread_F = np.maximum(first.std(axis=0), 0.02)
    network = Network(first.mean(axis=0), spread_F, sees_taste=effort.sees_taste, looks_ahead=effort.discount > 0)
    configuration = LearnerConfiguration(
        algorithm="q", discount=effort.discount, lambda_return=effort.lambda_return, learning_rate=1e-3, batch_size=32,
        polyak=0.01, huber_delta=10.0, seed=seed, device=device, compile=True,
    )  # fmt: skip
    learner = Learner(network, configuration, auxiliary=learn_likes)
    people = sum(len(group[0]) for group in groups)
    replay: Replay[Episodes] = Replay(3 * people, device)
    for number in range(effort.rounds):
        likes = 0.0
        for group in groups:
            lived = practise_once(Asked.start(*group), learner.target, effort.exploring, generator)
            likes += float(np.sum(lived.reward))
            replay.add(lived.episodes(effort.discount))
        figures = learner.run(replay, effort.updates)
        say(f"  round {number}: {likes / people:.2f} likes, error of likes {figures['likes']:.4f}")
    trained: Any = copy.deepcopy(learner.target).cpu()
    assert isinstance(trained, Network)
    return trained


def choose_by_q(network: Network, asked: Asked) -> Indices:
    """The highest Q."""
    return best(asked, values(network, asked.features()))


def practise_once(asked: Asked, network: nn.Module, exploring: float, generator: np.random.Generator) -> Lived:
    """One session of everybody, with noise on the values."""
    lived = Lived()
    for _ in range(STEPS):
        features_PAF = asked.features()
        noise_PA = generator.normal(0, exploring, asked.open_PA.shape)
        place_P = best(asked, values(network, features_PAF) + noise_PA)
        lived.keep(asked, features_PAF, place_P, generator)
        reward_P, answered_P = asked.ask(place_P)
        lived.reward.append(reward_P)
        lived.answered.append(answered_P)
    return lived


def values(network: nn.Module, features_PAF: Floats) -> Floats:
    """Q of each track."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        return np.asarray(network({"features": torch.from_numpy(features_PAF).float().to(device)}).cpu().numpy())


def measure(train_NI: Floats, test_PI: Floats, seed: int, options: Any) -> dict[str, Floats]:
    """Likes of each test person after COUNTED_AFTER steps, by everybody who chooses."""
    effort = Effort(rounds=2, updates=20) if options.quick else Effort()
    group_N = np.random.default_rng([seed, 1]).permutation(len(train_NI)) % effort.inner_folds
    groups = [
        (People.of(train_NI[group_N == number]), Tastes.fit(train_NI[group_N != number], seed + number))
        for number in range(effort.inner_folds)
    ]
    tastes, people = Tastes.fit(train_NI, seed), People.of(test_PI)
    squares = replace(tastes, rating=least_squares(train_NI, 8, seed))
    chosen: dict[str, tuple[Tastes, Choose]] = {
        "random": (tastes, partial(random_track, np.random.default_rng([seed, 2]))),
        "item mean": (tastes, best_by_mean),
        "adaptive ALS": (squares, by_rating),
        "adaptive Bayesian MF": (tastes, by_rating),
        "ours": (tastes, partial(choose_by_q, practise(groups, effort, seed, options.device))),
        "ours without Q": (tastes, by_chance),
    }
    for name, change in ABLATIONS.items() if seed == 0 else ():
        network = practise(groups, replace(effort, **change), seed, options.device)
        chosen[name] = (tastes, partial(choose_by_q, network))
    return {name: ask_all(people, known, choose) for name, (known, choose) in chosen.items()}


ABLATIONS: dict[str, dict[str, Any]] = {
    "ours without taste model": {"sees_taste": False},
    "ours, discount 0.8": {"discount": 0.8},
}


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=1)
    parser.add_argument("--train", type=Path, default=SHARED_FILES / "cm100k_ratings_dev.csv.gz", help="ratings to learn from")
    parser.add_argument("--test", type=Path, help=f"ratings of other people; without it, {FOLDS} folds of those in --train")
    options = read_options(parser)
    torch.set_num_threads(1)
    report = Report("real_listeners", options)
    for path in (options.train, options.test):
        if path is not None and not path.exists():
            report.note(f"{path} is not here: nothing was measured")
            return report.finish()
    train_NI, test_PI = tables(options.train, options.test)
    if options.quick:
        train_NI = train_NI[:150]
    found = [measure_seed(train_NI, test_PI, seed, options) for seed in range(options.seeds)]
    likes = {name: np.mean([each[name] for each in found if name in each], axis=0) for name in found[0]}
    for column, after in enumerate(COUNTED_AFTER):
        for name, likes_PC in likes.items():
            report.add_samples(name, f"likes@{after}", likes_PC[:, column])
        difference_P = likes["ours"][:, column] - likes["adaptive Bayesian MF"][:, column]
        report.add_samples("ours minus adaptive Bayesian MF", f"difference@{after}", difference_P, target=VISIBLE_WIN[column])
    where = (
        "people of --test" if test_PI is not None else f"people of --train, in {1 if options.quick else FOLDS} of {FOLDS} folds"
    )
    report.note(f"{len(likes['ours'])} {where}; likes are means over the seeds, intervals by person")
    return report.finish()


def measure_seed(train_NI: Floats, test_PI: Floats | None, seed: int, options: Any) -> dict[str, Floats]:
    """All test people of one seed: those of the other file, or each fold's in turn."""
    if test_PI is not None:
        return measure(train_NI, test_PI, seed, options)
    fold_N = np.random.default_rng(0).permutation(len(train_NI)) % FOLDS
    folds = range(1 if options.quick else FOLDS)
    each = [measure(train_NI[fold_N != fold], train_NI[fold_N == fold], seed, options) for fold in folds]
    return {name: np.concatenate([likes[name] for likes in each]) for name in each[0]}


if __name__ == "__main__":
    raise SystemExit(main())
