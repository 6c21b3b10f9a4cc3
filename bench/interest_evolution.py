"""Minutes watched in the world of evolving interests: random, myopic and ours. Before: interest_evolution_world, dqn, recsys.

Ours learns by the learner of dqn/ and shows what recsys/slates.py finds or draws, as the service does.
While it practises, dqn/slates.py searches the best slates of all users at once: the same ones.

Ours sees what the published agents saw, interests and topics, and what its own session brought so far; never the quality of a
document nor the time that is left. Letters as in the world; F features, A actions."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count as counting
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from bench.interest_evolution_world import (
    DOCUMENTS,
    NO_CLICK_SCORE,
    NOTHING,
    SLATE,
    TOPICS,
    Floats,
    Indices,
    Lived,
    Users,
    live,
    myopic_slate,
    random_slate,
)
from bench.next_track import service_without_database
from bench.report import Report, make_parser, read_options, say
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.policy import draw_sequentially
from dqn.replay import Episodes, Replay
from dqn.slates import best_slate

FEATURES = 2 * TOPICS + 2
SCALE_MINUTES = 50.0
"""Minutes that count as a reward of 1."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How ours practises."""

    rounds: int = 10
    """Each: sessions under the policy so far, then learning from the newest sessions."""
    sessions: int = 1000
    kept_rounds: int = 2
    updates: int = 200
    exploring: float = 0.2
    """Share of the slates that are any slate."""
    lambda_return: float = 0.9
    """0 for one-step targets."""
    sees_session: bool = True
    """Whether clicks, time watched and idle steps of the session so far are seen beside the interests."""
    width: int = 48
    longest_steps: int = 180
    """Longer sessions are cut there for the learner, and bootstrap."""


def observe(users: Users, sees_session: bool) -> Floats:
    """Interests; clicks on each topic so far, steps without a click, minutes watched."""
    session = [users.clicks_UK / 5, users.idle_U[:, None] / 50, users.watched_U[:, None] / 100]
    seen_UF = np.concatenate([users.interests_UK, *session], axis=1)
    if not sees_session:
        seen_UF[:, TOPICS:] = 0.0
    return seen_UF


class Network(nn.Module):
    """Minutes still to come, after a click on each topic and after none."""

    def __init__(self, effort: Effort) -> None:
        super().__init__()
        self.sees_session = effort.sees_session
        sizes = (FEATURES, effort.width, effort.width, TOPICS + 1)
        first, second, last = (nn.Linear(i, o) for i, o in pairwise(sizes))
        self.layers = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """Q of all topics and NOTHING."""
        values: Tensor = self.layers(observation["seen"])
        return values


def estimate(network: Network, users: Users, topics_UD: Indices) -> tuple[Tensor, Tensor, Tensor]:
    """Q of the documents, Q of no click, choice weights of the documents."""
    seen_UF = torch.from_numpy(observe(users, network.sees_session)).float()
    with torch.inference_mode():
        q_UA = network({"seen": seen_UF.to(next(network.parameters()).device)}).cpu()
    choice_UD = torch.from_numpy(np.take_along_axis(users.interests_UK, topics_UD, axis=1) + 1).float()
    return q_UA.gather(1, torch.from_numpy(topics_UD)), q_UA[:, NOTHING], choice_UD


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One user, as recsys/slates.py sees a listener through a policy: who chooses one document, or none, wherever it stands."""

    q_1D: Floats
    chosen: Any
    temperature: float = 1e-6

    def choices(self, *asked: Any) -> Any:
        """By the interests that are seen."""
        return self.chosen


def readers(network: Network, users: Users, topics_UD: Indices) -> list[Reader]:
    """Every user, with Q of the documents at hand."""
    from recsys.learning.choice import Choices

    q_UD, nothing_U, choice_UD = (tensor.double().numpy() for tensor in estimate(network, users, topics_UD))
    alike_P = np.ones(SLATE)
    chosen = [
        Choices(weight_n=choice_D, position_P=alike_P, nothing=NO_CLICK_SCORE, nothing_value_H=nothing_1, rivalry=1.0)
        for choice_D, nothing_1 in zip(choice_UD, nothing_U[:, None], strict=True)
    ]
    return [Reader(q_1D=q_1D, chosen=each) for q_1D, each in zip(q_UD[:, None], chosen, strict=True)]


def best_slate_shown(network: Network, users: Users, topics_UD: Indices) -> Indices:
    """The slate of the highest worth, (Σ sQ + s₀Q₀)/(Σ s + s₀), as the service finds it where exploration is off."""
    from recsys.slates import best_picks

    documents, unread = range(DOCUMENTS), cast(Any, None)  # the state is for policies that look at it
    each = readers(network, users, topics_UD)
    return np.array([best_picks(cast(Any, reader), unread, reader.q_1D, documents, count=SLATE) for reader in each])


def exact_slate(network: Network, users: Users, topics_UD: Indices) -> Indices:
    """The same slates, of all users at once."""
    q_UD, nothing_U, choice_UD = estimate(network, users, topics_UD)
    score_U, open_UD = torch.full_like(nothing_U, NO_CLICK_SCORE), torch.ones_like(q_UD, dtype=torch.bool)
    picked_UD = best_slate(q_UD, choice_UD, score_U, nothing_U, open_UD, SLATE)
    return np.asarray(picked_UD.int().topk(SLATE, dim=1).indices.numpy())


def drawn_slate(network: Network, users: Users, topics_UD: Indices) -> Indices:
    """As the service draws: one document after another by its marginal gain, here without exploration."""
    from recsys.slates import slate_gain

    unread = cast(Any, None)  # state and table: without the diversity dial nobody looks at them

    def draw(reader: Reader) -> tuple[int, ...]:
        gain = slate_gain(cast(Any, reader), unread, reader.q_1D, unread, range(DOCUMENTS), count=SLATE, diversity=0.0)
        return draw_sequentially(gain, SLATE, epsilon=0.0, temperature=reader.temperature, generator=users.generator).picks

    return np.array([draw(reader) for reader in readers(network, users, topics_UD)])


def exploring_slate(network: Network, share: float, users: Users, topics_UD: Indices) -> Indices:
    """The exact slate, and any slate for a share of the users."""
    explores_U = users.generator.random(len(topics_UD)) < share
    return np.where(explores_U[:, None], random_slate(users, topics_UD), exact_slate(network, users, topics_UD))


def episodes_of(lived: Lived, steps: int) -> Episodes:
    """Sessions as the learner takes them: padded to `steps`, or cut there."""

    def fit(kept: list[Any], dtype: torch.dtype) -> Tensor:
        stacked = torch.from_numpy(np.stack(kept[:steps], axis=1)).to(dtype)
        room = stacked.new_zeros((stacked.shape[0], steps - stacked.shape[1], *stacked.shape[2:]))
        return torch.cat([stacked, room], dim=1)

    # One step more says whether the last one that is kept ended the session.
    open_TU = [*lived.is_open_TU, np.zeros_like(lived.is_open_TU[0])]
    ends_TU = [now & ~following for now, following in pairwise(open_TU)]
    action_UT = fit(lived.action_TU, torch.int64)
    # Only the action taken is listed as open, so a state is worth what the policy that acted made of it: on-policy returns.
    taken_UTA = torch.zeros(*action_UT.shape, TOPICS + 1, dtype=torch.bool).scatter(2, action_UT.unsqueeze(2), True)
    return Episodes(
        observation={"seen": fit(lived.seen_TUF, torch.float32)},
        mask_BTA=taken_UTA,
        action_BT=action_UT,
        reward_BT=fit(lived.minutes_TU, torch.float32) / SCALE_MINUTES,
        discount_BT=1.0 - fit(ends_TU, torch.float32),
        valid_BT=fit(lived.is_open_TU, torch.bool),
    )


def practise(seed: int, effort: Effort, device: str) -> Network:
    """Policy iteration from any slates; gives the target network, whose averaged weights act better than the newest ones."""
    torch.manual_seed(seed)
    configuration = LearnerConfiguration(
        algorithm="q", discount=1.0, lambda_return=effort.lambda_return, learning_rate=3e-3, batch_size=32, polyak=0.02,
        seed=seed, device=device,
    )  # fmt: skip
    learner = Learner(Network(effort), configuration)
    acting: Any = learner.target
    replay: Replay[Episodes] = Replay(effort.kept_rounds * effort.sessions, device)
    numbers = counting(1_000_000 * (seed + 1))
    for number in range(effort.rounds):
        recommend = partial(exploring_slate, acting, effort.exploring if number else 1.0)
        watched_U, lived = live(effort.sessions, next(numbers), recommend, partial(observe, sees_session=effort.sees_session))
        replay.add(episodes_of(lived, effort.longest_steps))
        figures = learner.run(replay, effort.updates)
        say(f"  round {number}: {watched_U.mean():.0f} minutes, error {figures['absolute_error'] * SCALE_MINUTES:.1f}")
    trained: Network = copy.deepcopy(acting)
    return trained


def main() -> int:
    """Measures and prints."""
    options = read_options(make_parser(__doc__))
    torch.set_num_threads(1)
    report = Report("interest_evolution", options)
    users = 500 if options.quick else 4000
    effort = Effort(rounds=3, sessions=200, updates=50) if options.quick else Effort()
    for name, recommend in (("random", random_slate), ("myopic", myopic_slate)):
        report.add_samples(name, "return", np.concatenate([live(users, seed, recommend)[0] for seed in range(options.seeds)]))
    returns: dict[str, list[float]] = {"ours": [], "ours, drawn by marginal gain": []}
    for seed in range(options.seeds):
        network = practise(seed, effort, options.device)
        with service_without_database():
            returns["ours"].append(live(users, seed, partial(best_slate_shown, network))[0].mean())
            returns["ours, drawn by marginal gain"].append(live(users // 10, seed, partial(drawn_slate, network))[0].mean())
        say(f"seed {seed}: {returns['ours'][-1]:.1f} minutes")
    report.add_samples("ours", "return", returns["ours"], target=255)
    report.add_samples("ours, drawn by marginal gain", "return", returns["ours, drawn by marginal gain"])
    without = {
        "session left out of the state": replace(effort, sees_session=False),
        "one-step targets": replace(effort, lambda_return=0.0),
    }
    for name, other in without.items():
        trained = [practise(seed, other, options.device) for seed in range(min(2, options.seeds))]
        found = [live(users, seed, partial(exact_slate, network))[0].mean() for seed, network in enumerate(trained)]
        report.add_samples(f"ours, {name}", "return", found)
    return report.finish()


if __name__ == "__main__":
    raise SystemExit(main())
