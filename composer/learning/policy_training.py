"""Trains G on the pieces the policy itself writes. Before: training.py loads the prior. After: it writes the checkpoint.

Shapes as in network.py; T = 2N steps. The prior is frozen, so its view of a stored piece never grows stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.constraints import Plan
from composer.learning.condition import CONDITION, RULE_VALUES
from composer.learning.configuration import ComposerConfiguration
from composer.learning.features import SOURCES, Lines
from composer.learning.network import Advantage
from composer.learning.policy import ComposerPolicy
from composer.learning.prior_training import Budget
from composer.learning.replay_dataset import MelodyDataset, Tune
from composer.learning.writing import Written
from composer.rewards import Bands, CatalogueIndex, Judge, RuleWeights
from composer.steering import HABITS, ImpossibleSteering, Steering
from dqn.checkpoint import read_state, write_state
from dqn.configuration import LearnerConfiguration
from dqn.learner import Learner
from dqn.replay import Episodes, Replay
from dqn.targets import kl_value, log_policy
from training.slots import RunContext

STATE = "policy_state.safetensors"
LONG_STEPS, SHORT_STEPS = 144, 48
"""Steps of the episodes in the two replays, so that short pieces are not mostly padding."""
LISTED = 25
"""Tokens an episode lists at each step: every open one, as long as the range is not wider than three octaves."""
TASTE_SHARE = 0.5
GUARD_MEMORY = 0.9
"""Share of a running figure that stays from rollout to rollout."""
WISH_SHARE = 0.35
"""Share of the rollouts in which each graded wish is made."""


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
        prior = policy.writer.prior
        advantage = Advantage(body=prior.body.out_features, rules=RULE_VALUES, condition=CONDITION)
        self.elite_weight = configuration.elite_weight
        self.learner = Learner(advantage, _learner_configuration(configuration, context), self._imitate_elite)
        writer = replace(
            policy.writer,
            advantage=advantage,
            temperature=configuration.temperature,
            prior_temperature=configuration.prior_temperature,
        )
        self.policy = replace(policy, kind="dqn", writer=writer)
        catalogue = CatalogueIndex([tune.melody for tune in dataset.training])
        self.judge = Judge(RuleWeights(), Bands(policy.settings["bands"]), catalogue)
        self.wishes = Wishes(policy.styles, dataset.training, configuration)
        size = configuration.replay_pieces
        self.replays: dict[int, Replay[Episodes]] = {
            steps: Replay(size, self.learner.device) for steps in (SHORT_STEPS, LONG_STEPS)
        }
        self.rollouts = 0
        self.running: dict[str, float] = {}
        self.good = self.learner.weights()
        self.budget = self._resume(seconds)

    def run(self) -> dict[str, Tensor]:
        """Writes and learns in turn until time, updates or the guard end it."""
        while (share := self.budget.share(self.learner.updates / self.configuration.updates)) < 1.0:
            figures = self.roll_out()
            if not self._is_good(figures):
                self.context.log("The guard stopped the training: it had left the prior, or wrote too much alike.")
                return self.good
            if self.rollouts % 10 == 0:
                self.good = self.learner.weights()
                self._keep()
            learned = self._learn(figures, share)
            self.context.report(
                self.learner.updates, progress=share, **figures, error=learned["absolute_error"], loss=learned["loss"]
            )
        return self.learner.weights()

    def _imitate_elite(self, network: torch.nn.Module, batch: Episodes) -> dict[str, Tensor]:
        """−log π of the quarter of the batch that earned most above what its first state promised, weighted by it."""
        if self.elite_weight <= 0:
            return {}
        g_BTK, log_prior_BTK = network.listed_BTK, batch.log_prior_BTA
        assert isinstance(g_BTK, Tensor)
        assert log_prior_BTK is not None
        first_BK, mask_BK = g_BTK[:, 0].detach(), batch.mask_BTA[:, 0]
        promised_B = kl_value(first_BK, first_BK, log_prior_BTK[:, 0], mask_BK, self.configuration.temperature)
        above_B = batch.reward_BT.sum(dim=1) - promised_B
        weight_B = (above_B - above_B.quantile(0.75)).clamp(min=0)
        weight_B = weight_B / weight_B.sum().clamp(min=1e-6)
        log_pi_BTA = log_policy(g_BTK, log_prior_BTK, batch.mask_BTA, self.configuration.temperature)
        steps_B = batch.valid_BT.sum(dim=1).clamp(min=1)
        # The taken token is listed first.
        nats_B = -(log_pi_BTA[..., 0] * batch.valid_BT).sum(dim=1) / steps_B
        return {"elite": self.elite_weight * (weight_B * nats_B).sum()}

    def _learn(self, figures: dict[str, float], share: float) -> dict[str, float]:
        """Updates from short and long pieces in turn.

        Imitation finds what pays, long before the values do, and would end in one piece again and again: it fades out with
        time, with distance to the prior, and stops while pieces are alike. At the end only the learner's target remains.
        """
        learned: dict[str, float] = {}
        for steps, replay in self.replays.items():
            if len(replay):
                ending = "_short" if steps == SHORT_STEPS else ""
                room = np.clip(2 * (1 - figures[f"kl_per_step{ending}"] / self.configuration.imitated_kl), 0, 1)
                is_varied = figures[f"distinct{ending}"] >= self.configuration.imitated_distinct
                self.elite_weight = float(self.configuration.elite_weight * (1 - share) * room * is_varied)
                learned = self.learner.run(replay, self.configuration.updates_per_rollout // 2)
        return learned

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
        share = configuration.short_share if is_short else 1 - configuration.short_share
        count = round(configuration.rollout_pieces * share)
        if count == 0:
            return {}
        plans, tastes = self.wishes.draw(count, is_short, generator)
        seeds = generator.integers(2**62, size=count).tolist()
        copies = CopyGuide(plans, configuration.forced_copy_share, generator)
        self.learner.network.eval()
        written = self.policy.write(plans, tastes, seeds=seeds, keep_trace=True, guide=copies)
        self.learner.network.train()
        reward_BN = self._rewards(written, plans, tastes)
        replay.add(episodes_of(written, reward_BN, configuration.discount, steps))
        return self._figures(written, reward_BN, copies, "_short" if is_short else "")

    def _rewards(
        self, written: Written, plans: Sequence[Plan], tastes: Sequence[NDArray[np.float64] | None]
    ) -> NDArray[np.float64]:
        reward_BN = np.zeros((len(plans), max(len(melody.notes) for melody in written.melodies)))
        for row, (melody, plan, taste) in enumerate(zip(written.melodies, plans, tastes, strict=True)):
            scaled = None if taste is None else taste * plan.steering.taste_strength
            per_step = float(written.log_prior_B[row]) / max(int(written.steps_B[row]), 1)
            rewards_N = self.judge.rewards(melody, plan.steering, scaled, log_prior_per_step=per_step)
            reward_BN[row, : len(melody.notes)] = rewards_N
        return reward_BN

    def _figures(self, written: Written, reward_BN: NDArray[np.float64], copies: CopyGuide, ending: str) -> dict[str, float]:
        """Of the pieces that were not forced to copy."""
        free_B = ~copies.is_forced_B
        steps_B = np.maximum(written.steps_B, 1)
        free = [melody for melody, is_free in zip(written.melodies, free_B, strict=True) if is_free]
        figures = {
            "reward": float(reward_BN.sum(axis=1)[free_B].mean()),
            "kl_per_step": float((written.kl_B / steps_B)[free_B].mean()),
            "log_prior_per_step": float((written.log_prior_B / steps_B)[free_B].mean()),
            "distinct": len({melody.content_hash() for melody in free}) / max(len(free), 1),
        }
        return {f"{name}{ending}": value for name, value in figures.items()}

    def _is_good(self, figures: dict[str, float]) -> bool:
        """By running means: one rollout has so few short pieces that two alike would look like a collapse."""
        for name, value in figures.items():
            self.running[name] = value + GUARD_MEMORY * (self.running.get(name, value) - value)
        kl = [value for name, value in self.running.items() if name.startswith("kl_per_step")]
        distinct = [value for name, value in self.running.items() if name.startswith("distinct")]
        return max(kl) <= self.configuration.maximum_kl and min(distinct) >= self.configuration.minimum_distinct

    def _keep(self) -> None:
        """Keeps what going on needs. The replay is written anew after a resume: its pieces are of the newest policy."""
        state = self.learner.state_dict()
        state["rollouts"] = torch.tensor(self.rollouts)
        state["spent_seconds"] = torch.tensor(self.budget.spent_seconds)
        write_state(self.context.folder / STATE, state)

    def _resume(self, seconds: float | None) -> Budget:
        state = read_state(Path(self.context.folder) / STATE)
        if state is None:
            return Budget(seconds=seconds)
        self.rollouts = int(state.pop("rollouts"))
        spent = float(state.pop("spent_seconds"))
        self.learner.load_state_dict(state)
        self.good = self.learner.weights()
        self.context.log(f"Goes on after {self.learner.updates} updates.")
        return Budget(seconds=seconds, spent_seconds=spent)


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
        device="cpu",
    )


def episodes_of(written: Written, reward_BN: NDArray[np.float64], discount: float, steps: int) -> Episodes:
    """Episodes of two steps per note, cut or padded to `steps`: first the pitch, then the duration, which earns the reward."""
    assert written.trace is not None
    notes = steps // 2
    kept = {name: _padded(tensor, notes) for name, tensor in written.trace.items() if name != "condition"}
    pitch_BN, duration_BN = kept["pitch"].long(), kept["duration"].long()
    listed_pitch, listed_duration = _list(kept, "pitch", pitch_BN), _list(kept, "duration", duration_BN)
    reward = torch.zeros(pitch_BN.shape)
    size = min(notes, reward_BN.shape[1])
    reward[:, :size] = torch.from_numpy(reward_BN[:, :size]).float()
    valid_BT = kept["valid"].repeat_interleave(2, dim=1)
    discount_BT = torch.full(valid_BT.shape, discount)
    length_B = written.trace["valid"].sum(dim=1)
    for row in torch.nonzero(length_B <= notes).flatten().tolist():
        discount_BT[row, 2 * int(length_B[row]) - 1] = 0.0  # a piece that was cut goes on, and bootstraps
    names = ("body", "source_pitch", "source_duration", "rules", "pitch")
    observation = {name: kept[name] for name in names}
    observation |= {"open_pitch": listed_pitch["token"], "open_duration": listed_duration["token"]}
    observation["condition"] = written.trace["condition"]
    return Episodes(
        observation=observation,
        mask_BTA=_interleave(listed_pitch["mask"], listed_duration["mask"]),
        # The taken token is listed first.
        action_BT=torch.zeros(valid_BT.shape, dtype=torch.int64),
        reward_BT=torch.stack([torch.zeros_like(reward), reward], dim=2).flatten(1),
        discount_BT=discount_BT,
        valid_BT=valid_BT,
        log_prior_BTA=_interleave(listed_pitch["log_prior"], listed_duration["log_prior"]),
    )


def _list(kept: dict[str, Tensor], kind: str, taken_BN: Tensor) -> dict[str, Tensor]:
    """The K listed tokens of a step: the taken one, then the open ones; with mask and log p₀."""
    rank_BNA = kept[f"{kind}_mask"].to(torch.uint8)
    rank_BNA = rank_BNA.scatter(-1, taken_BN.unsqueeze(-1), 2)
    token_BNK = rank_BNA.argsort(dim=-1, descending=True, stable=True)[..., :LISTED]
    mask_BNK = rank_BNA.gather(-1, token_BNK) > 0
    log_prior_BNK = kept[f"{kind}_log_prior"].gather(-1, token_BNK)
    return {"token": token_BNK.to(torch.uint8), "mask": mask_BNK, "log_prior": log_prior_BNK}


def _padded(tensor_BN: Tensor, notes: int) -> Tensor:
    """The first `notes` of each row, zeros behind."""
    padded = tensor_BN.new_zeros((tensor_BN.shape[0], notes, *tensor_BN.shape[2:]))
    size = min(notes, tensor_BN.shape[1])
    padded[:, :size] = tensor_BN[:, :size]
    return padded


def _interleave(pitch_BNK: Tensor, duration_BNK: Tensor) -> Tensor:
    """Pitch and duration steps in turn."""
    return torch.stack([pitch_BNK, duration_BNK], dim=2).flatten(1, 2)


class Wishes:
    """Draws steerings and tastes as listeners would have them."""

    def __init__(self, styles: Sequence[str], tunes: Sequence[Tune], configuration: ComposerConfiguration) -> None:
        self.configuration = configuration
        self.kinds = [
            (tune.style, tune.melody.metre, tune.melody.mode)
            for tune in tunes
            if 1 <= tune.melody.bar_quarters <= 8 and tune.melody.metre[1] <= 16
        ] or [(styles[0] if styles else "song", (4, 4), "major")]

    def draw(
        self, count: int, is_short: bool, generator: np.random.Generator
    ) -> tuple[list[Plan], list[NDArray[np.float64] | None]]:
        """Plans, and a taste for some of them."""
        from recsys.taste_population import population

        known = population()
        plans: list[Plan] = []
        tastes: list[NDArray[np.float64] | None] = []
        while len(plans) < count:
            try:
                plans.append(self._short(generator) if is_short else self._usual(generator))
            except ImpossibleSteering:
                continue
            has_taste = not is_short and generator.random() < TASTE_SHARE
            tastes.append(known.draw(generator) * self.configuration.taste_scale if has_taste else None)
        return plans, tastes

    def _short(self, generator: np.random.Generator) -> Plan:
        style = self.kinds[generator.integers(len(self.kinds))][0]
        return short_plan(style[:40])

    def _usual(self, generator: np.random.Generator) -> Plan:
        style, metre, mode = self.kinds[generator.integers(len(self.kinds))]
        wishes = {
            wish: float(generator.random())
            for wish in ("density", "leaps", "syncopation", "brightness")
            if generator.random() < WISH_SHARE
        }
        lowest = int(generator.integers(55, 65))
        bars = int(generator.choice([4, 8, 8]))
        if bars * metre[0] / metre[1] * 4 > 32:
            bars = 4
        return Plan(
            steering=Steering(
                style=style[:40],
                tonic=int(generator.integers(12)),
                mode=mode,
                metre=metre,
                bars=bars,
                tempo=HABITS.get(style, ((4, 4), 120.0))[1],
                lowest=lowest,
                highest=lowest + int(generator.integers(14, 28)),
                **wishes,  # type: ignore[arg-type]
            )
        )


def short_plan(style: str) -> Plan:
    """Two bars of 4/4 in C major on the sixteenths grid, from middle C: the task of the Sequence Tutor."""
    steering = Steering(style=style, tonic=0, mode="major", metre=(4, 4), bars=2, lowest=48, highest=83)
    return Plan(steering=steering, is_on_sixteenths=True, longest_ticks=72, opening=60)


class CopyGuide:
    """Makes some rollouts copy what was half a bar … eight bars ago for a while: found by chance, copying is too rare."""

    def __init__(self, plans: Sequence[Plan], share: float, generator: np.random.Generator) -> None:
        count = len(plans)
        self.is_forced_B = generator.random(count) < share
        self._bar_B = np.array([plan.bar_ticks for plan in plans])
        bars_B = np.array([plan.steering.bars for plan in plans])
        self._source_B = np.where(bars_B <= 2, generator.integers(0, 2, count), generator.integers(1, SOURCES - 1, count))
        back_B = self._bar_B * np.array([1, 2, 4, 8, 16])[self._source_B] // 2
        self._from_B = back_B + self._bar_B // 2 * generator.integers(0, 3, count)
        self._to_B = self._from_B + (back_B * generator.uniform(0.4, 1.0, count)).astype(np.int64)
        self._rows = np.arange(count)

    def __call__(self, lines: Lines, open_BA: NDArray[np.bool_], kind: str) -> NDArray[np.int64]:
        """The token to force, −1 where the policy chooses."""
        source_BS = lines.sources()[0 if kind == "pitch" else 1]
        wanted_B = source_BS[self._rows, self._source_B]
        is_on_B = self.is_forced_B & (lines.now_B >= self._from_B) & (lines.now_B < self._to_B)
        size = open_BA.shape[1]
        is_open_B = is_on_B & (wanted_B < size) & open_BA[self._rows, np.minimum(wanted_B, size - 1)]
        return np.where(is_open_B, wanted_B, -1)
