"""Trains G on the pieces the policy itself writes. Before: training.py loads the prior. After: it writes the checkpoint.

Shapes as in network.py; T = 2N steps. The prior is frozen, so its view of a stored piece never grows stale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.bands import Bands
from composer.constraints import Plan
from composer.judging import Judge
from composer.learning.configuration import ComposerConfiguration, is_added_to_prior
from composer.learning.episodes import episodes_of
from composer.learning.examples import ExampleGuide, Examples
from composer.learning.features import Lines
from composer.learning.foresight_training import ForesightTraining
from composer.learning.novelty import Novelty
from composer.learning.policy import ComposerPolicy, new_heads
from composer.learning.prior_training import Budget
from composer.learning.replay_dataset import MelodyDataset
from composer.learning.wishes import NOTES_OF_AN_EPISODE, CopyGuide, Wishes
from composer.learning.writing import Written
from composer.rewards import RuleWeights
from dqn.checkpoint import read_state, write_state
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Episodes, Replay
from dqn.targets import log_masked_prior, log_policy
from music.features import features
from recsys.taste_answers import standardise
from training.slots import RunContext

STATE = "policy_state.safetensors"
LONG_STEPS, SHORT_STEPS = 2 * NOTES_OF_AN_EPISODE, 48
"""Steps of the episodes in the two replays, so that short pieces are not mostly padding."""
HEARD_FULLY_AT = 0.25
"""Share of the training from which tastes and wishes are followed as at play."""
TUNES_WRITTEN = 2.0
"""Times as many as their share of the updates: what is rarely asked (a syncopated jig) is foreseen from what was written."""
FLATTENED_AT = 0.4
"""Share of the training from which the prior is as flat as at play: at first it is itself, under which repetition, likely as
it is, is found soon; from a flat one it took a third of the training."""
IMITATED_SHARE = 0.6
"""Of the training; afterwards only the learner's target remains."""
IMITATED_NATS = 3.0
"""Nats by which one piece must be better to be imitated e times as much: a batch has too few pieces for the exact weights."""
SLOWEST = 0.03
"""Of the learning rate, at the end."""
GUARD_MEMORY = 0.9
"""Share of a running figure that stays from rollout to rollout."""
ROLLOUTS_UNTIL_PROVEN = 10
"""Weights are good that the guard let write so many rollouts more: of a collapse the running figures tell it within eight."""


def train_policy(
    context: RunContext,
    dataset: MelodyDataset,
    configuration: ComposerConfiguration,
    policy: ComposerPolicy,
    seconds: float | None,
) -> dict[str, Tensor]:
    """The weights of G, the last ones the guard found good."""
    torch.set_num_threads(configuration.threads)
    torch.manual_seed(context.seed)
    return PolicyTraining(context, dataset, configuration, policy, seconds).run()


class PolicyTraining:
    """Rollouts, replay and learner of one run."""

    def __init__(
        self,
        context: RunContext,
        dataset: MelodyDataset,
        configuration: ComposerConfiguration,
        policy: ComposerPolicy,
        seconds: float | None,
    ) -> None:
        self.context, self.configuration = context, configuration
        advantage, foresight = new_heads(policy.writer.prior)
        self.imitation = configuration.imitation_weight
        self.learner = Learner(advantage, _learner_configuration(configuration, context), self._imitate_best)
        self.foresight = ForesightTraining(foresight, configuration.foresight_learning_rate, context.seed, self.learner.device)
        bands = Bands(policy.settings["bands"])
        writer = replace(
            policy.writer,
            advantage=advantage,
            foresight=self.foresight.at_hand(),
            bands=bands,
            is_added_to_prior=is_added_to_prior(configuration.algorithm),
            wish_gain=configuration.wish_gain,
            temperature=configuration.temperature,
            prior_temperature=configuration.prior_temperature,
        )
        settings = policy.settings | {"taste_gain": configuration.taste_gain}
        self.policy = replace(policy, kind="dqn", writer=writer, settings=settings)
        self.judge = Judge(RuleWeights(), bands, dataset.taught_runs)
        self.judge_of_people = replace(self.judge, catalogue=None)
        self.examples = Examples(dataset.training)
        self.novelty = Novelty(configuration.novelty_weight)
        self.wishes = Wishes(policy.styles, dataset.training, configuration)
        size = configuration.replay_pieces
        self.replays: dict[int, Replay[Episodes]] = {
            steps: Replay(size, self.learner.device) for steps in (SHORT_STEPS, LONG_STEPS)
        }
        self.rollouts = 0
        self.running: dict[str, float] = {}
        self.good = self.unproven = self._weights()
        self.budget = self._resume(seconds)

    def run(self) -> dict[str, Tensor]:
        """Writes and learns in turn until time, updates or the guard end it."""
        while (share := self.budget.share(self.learner.updates / self.configuration.updates)) < 1.0:
            self._hear(share)
            figures = self.roll_out()
            if broken := self._broken_bounds(figures):
                self.context.log(f"The guard stopped the training after {self.learner.updates} updates: {broken}.")
                return self.good
            if self.rollouts % ROLLOUTS_UNTIL_PROVEN == 0:
                self.good, self.unproven = self.unproven, self._weights()
                self._keep()
            learned = self._learn(share)
            seen = {"error": learned["absolute_error"], "foresight": learned.get("foresight", 0.0)}
            self.context.report(self.learner.updates, progress=share, **figures, **seen)
        return self._weights()

    def _weights(self) -> dict[str, Tensor]:
        """Weights of both heads, as a checkpoint names them."""
        advantage = {f"advantage.{name}": tensor for name, tensor in self.learner.weights().items()}
        return advantage | {f"foresight.{name}": tensor for name, tensor in self.foresight.state_dict().items()}

    def _imitate_best(self, network: torch.nn.Module, batch: Episodes) -> dict[str, Tensor]:
        """−log π of the batch's pieces, weighted by p₀ · exp(R) / μ: the closer to the best policy, the more.

        The best policy writes a piece with probability ∝ p₀ · exp(R). There all weights are equal, so imitation doesn't pull
        away from it, unlike imitation of what earned most, which would end in one piece again and again.
        """
        if self.imitation <= 0 or not self.policy.writer.is_added_to_prior:
            return {}
        g_BTK, log_prior_BTK = network.listed_BTK, batch.log_prior_BTA
        assert isinstance(g_BTK, Tensor)
        assert log_prior_BTK is not None
        # The taken token is listed first.
        log_pi_BT = log_policy(g_BTK, log_prior_BTK, batch.mask_BTA, self.configuration.temperature)[..., 0]
        log_prior_BT = log_masked_prior(log_prior_BTK, batch.mask_BTA)[..., 0]
        valid_BT = batch.valid_BT.float()
        worth_B = (batch.reward_BT / self.configuration.temperature + log_prior_BT * valid_BT).sum(dim=1)
        weight_B = torch.softmax((worth_B - batch.observation["log_behaviour"]) / IMITATED_NATS, dim=0)
        nats_B = -(log_pi_BT * valid_BT).sum(dim=1) / valid_BT.sum(dim=1).clamp(min=1)
        return {"imitation": self.imitation * (weight_B * nats_B).sum()}

    def _learn(self, share: float) -> dict[str, float]:
        """Updates from short and long pieces in turn. Imitation finds what pays long before the values do, and fades out."""
        learned: dict[str, float] = {}
        self.imitation = self.configuration.imitation_weight * max(0.0, 1 - share / IMITATED_SHARE)
        self.foresight.set_learning_rate(self.configuration.foresight_learning_rate * falling(share))
        for steps, replay in self.replays.items():
            if len(replay):
                updates = max(1, round(self.configuration.updates_per_rollout * self._share(steps)))
                self.learner.set_learning_rate(self.configuration.learning_rate * falling(share))
                learned |= self.learner.run(replay, updates)
                if steps == LONG_STEPS:
                    # Neither tastes nor wishes are heard in the short ones.
                    learned["foresight"] = self.foresight.run(replay, updates, self.configuration.batch_size)
        return learned

    def _hear(self, share: float) -> None:
        """Tastes and wishes are heard the more, the more was foreseen rightly: at first foresight knows nothing. The prior is
        flattened as slowly."""
        heard = min(1.0, share / HEARD_FULLY_AT)
        configuration = self.configuration
        settings = self.policy.settings | {"taste_gain": configuration.taste_gain * heard}
        flat = 1 + (configuration.prior_temperature - 1) * min(1.0, share / FLATTENED_AT)
        writer = replace(
            self.policy.writer,
            foresight=self.foresight.at_hand(),
            wish_gain=configuration.wish_gain * heard,
            prior_temperature=flat,
        )
        self.policy = replace(self.policy, writer=writer, settings=settings)

    def roll_out(self) -> dict[str, float]:
        """Adds pieces of the newest policy to the replay; gives their figures."""
        generator = np.random.default_rng([self.context.seed & 0x7FFFFFFF, self.rollouts])
        self.rollouts += 1
        figures: dict[str, float] = {}
        for steps, replay in self.replays.items():
            figures |= self._write(steps, replay, generator)
        return figures

    def _write(self, steps: int, replay: Replay[Episodes], generator: np.random.Generator) -> dict[str, float]:
        """Writes short or long pieces into their replay."""
        configuration, is_short = self.configuration, steps == SHORT_STEPS
        count = round(configuration.rollout_pieces * self._share(steps) * (1.0 if is_short else TUNES_WRITTEN))
        if count == 0:
            return {}
        plans, tastes = self.wishes.draw(count, is_short, generator)
        people = [] if is_short else self.examples.draw(round(count * configuration.human_share), generator)
        plans += [plan for plan, _ in people]
        tastes += [None] * len(people)
        seeds = generator.integers(2**62, size=len(plans)).tolist()
        examples = ExampleGuide(len(plans), [melody for _, melody in people])
        copies = CopyGuide(plans, configuration.forced_copy_share, generator)
        copies.is_forced_B &= ~examples.is_forced_B

        def guide(lines: Lines, open_BA: NDArray[np.bool_], kind: str) -> NDArray[np.int64]:
            return np.maximum(copies(lines, open_BA, kind), examples(lines, open_BA, kind))

        self.learner.network.eval()
        written = self.policy.write(plans, tastes, seeds=seeds, keep_trace=True, guide=guide)
        self.learner.network.train()
        phi_BF = np.stack([features(melody) for melody in written.melodies])
        has_taste_B = np.array([taste is not None for taste in tastes])
        reward_BN = self._rewards(written, plans, phi_BF, has_taste_B, examples.is_forced_B)
        replay.add(episodes_of(written, reward_BN, standardise(phi_BF), configuration.discount, steps))
        is_asked_B = has_taste_B | np.array([plan.steering.is_wished for plan in plans])
        is_free_B = ~(copies.is_forced_B | examples.is_forced_B | is_asked_B)
        return self._figures(written, reward_BN, is_free_B, "_short" if is_short else "")

    def _share(self, steps: int) -> float:
        """Of pieces and updates, for short or long pieces."""
        return self.configuration.short_share if steps == SHORT_STEPS else 1 - self.configuration.short_share

    def _rewards(
        self,
        written: Written,
        plans: Sequence[Plan],
        phi_BF: NDArray[np.float64],
        has_taste_B: NDArray[np.bool_],
        is_example_B: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Per note, BN. What people wrote is judged by the rules alone: it stands in the catalogue, and may come again."""
        reward_BN = np.zeros((len(plans), max(len(melody.notes) for melody in written.melodies)))
        for row, (melody, plan) in enumerate(zip(written.melodies, plans, strict=True)):
            judge = self.judge_of_people if is_example_B[row] else self.judge
            reward_BN[row, : len(melody.notes)] = judge.rewards(
                melody, plan.steering, phi_BF[row], has_taste=bool(has_taste_B[row]), form=written.forms[row]
            )
            if not is_example_B[row]:
                reward_BN[row, len(melody.notes) - 1] -= self.novelty.cost(melody)
        return reward_BN

    def _figures(
        self, written: Written, reward_BN: NDArray[np.float64], free_B: NDArray[np.bool_], ending: str
    ) -> dict[str, float]:
        """Of the pieces that nothing was forced on, and for which neither a taste nor a wish was heard."""
        if not free_B.any():
            free_B = np.ones_like(free_B)
        steps_B = np.maximum(written.steps_B, 1)
        free = [melody for melody, is_free in zip(written.melodies, free_B, strict=True) if is_free]
        figures = {
            "reward": float(reward_BN.sum(axis=1)[free_B].mean()),
            "kl_per_step": float((written.kl_B / steps_B)[free_B].mean()),
            "log_prior_per_step": float((written.log_prior_B / steps_B)[free_B].mean()),
            "distinct": len({melody.content_hash() for melody in free}) / max(len(free), 1),
        }
        return {f"{name}{ending}": value for name, value in figures.items()}

    def _broken_bounds(self, figures: dict[str, float]) -> str:
        """Running figures beyond their bounds, in words: one rollout has so few short pieces that two alike would look like a
        collapse."""
        for name, value in figures.items():
            self.running[name] = value + GUARD_MEMORY * (self.running.get(name, value) - value)
        most, fewest = self.configuration.maximum_kl, self.configuration.minimum_distinct
        far = [f"{name} {value:.2f} is above {most:g}" for name, value in self._running("kl_per_step") if value > most]
        alike = [f"{name} {value:.2f} is below {fewest:g}" for name, value in self._running("distinct") if value < fewest]
        return ", ".join(far + alike)

    def _running(self, name: str) -> list[tuple[str, float]]:
        """A running figure, of short and of long pieces."""
        return [(key, value) for key, value in self.running.items() if key.startswith(name)]

    def _keep(self) -> None:
        """Keeps what going on needs, and what the guard knows. The replay is written anew after a resume: its pieces are of the
        newest policy."""
        state: dict[str, Any] = self.learner.state_dict()
        state |= {f"good.{name}": weight for name, weight in self.good.items()}
        state |= {f"running.{name}": torch.tensor(value) for name, value in self.running.items()}
        state["novelty"] = self.novelty.remembered_nD
        state |= {f"foresight.{name}": tensor for name, tensor in self.foresight.state_dict().items()}
        state["rollouts"] = torch.tensor(self.rollouts)
        state["spent_seconds"] = torch.tensor(self.budget.spent_seconds)
        write_state(self.context.folder / STATE, state)

    def _resume(self, seconds: float | None) -> Budget:
        state = read_state(Path(self.context.folder) / STATE)
        if state is None:
            return Budget(seconds=seconds)
        self.rollouts = int(state.pop("rollouts"))
        spent = float(state.pop("spent_seconds"))
        self.foresight.load_state_dict(_taken(state, "foresight."))
        good = {name: torch.as_tensor(weight) for name, weight in _taken(state, "good.").items()}
        self.running = {name: float(value) for name, value in _taken(state, "running.").items()}
        self.novelty.remember(state.pop("novelty"))
        self.learner.load_state_dict(state)
        self.good, self.unproven = good, self._weights()
        self.context.log(f"Goes on after {self.learner.updates} updates.")
        return Budget(seconds=seconds, spent_seconds=spent)


def _taken(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Takes what begins so out of a state, without its beginning."""
    return {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}


def falling(share: float) -> float:
    """Factor of the learning rate: 1 for the first half, then a cosine down to SLOWEST, so that the weights that are kept
    aren't those of one noisy batch."""
    return SLOWEST + (1 - SLOWEST) * 0.5 * (1 + math.cos(math.pi * max(0.0, 2 * share - 1)))


def _learner_configuration(configuration: ComposerConfiguration, context: RunContext) -> LearnerConfiguration:
    return LearnerConfiguration(
        algorithm=configuration.algorithm,
        discount=configuration.discount,
        lambda_return=configuration.lambda_return,
        learning_rate=configuration.learning_rate,
        batch_size=configuration.batch_size,
        polyak=configuration.polyak,
        huber_delta=2.0,
        temperature=configuration.temperature,
        seed=context.seed,
        device=context.device,
    )
