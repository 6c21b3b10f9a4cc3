"""Composes with a trained version. Before: training. After: composer/composing.py, evaluation. Loads torch: for workers only.

A piece is a function of checkpoint, steering, taste vector and seed; the temperatures are those of training. Shapes: M pieces,
B candidates of all of them, D weights of a taste."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from composer.bands import FORMED, Bands
from composer.constraints import Plan
from composer.copies import CatalogueIndex, Originality
from composer.forms import Forms, letters_of
from composer.gamuts import FEWEST_PITCHES, Gamuts
from composer.judging import taste_liking
from composer.learning.advantage import Advantage, Foresight
from composer.learning.condition import CONDITION, TASTES, Taste, condition, heard_taste
from composer.learning.configuration import is_added_to_prior
from composer.learning.features import in_ticks
from composer.learning.network import Prior
from composer.learning.replay_dataset import style_number
from composer.learning.standing import RULE_VALUES
from composer.learning.writing import Guide, Writer, Written
from composer.steering import Steering
from dqn.checkpoint import BrokenCheckpoint, Checkpoint, read_checkpoint
from music.features import NAMES, features
from music.notes import Melody
from recsys.taste_answers import of_plain

Whole = NDArray[np.int64]
Fit = Callable[[Melody], float]
"""How well a melody takes the words that are sung to it; more is better."""
KINDS = ("prior", "dqn")
HEADS = 7
"""Grows when a policy's weights mean something else than before: 3 came with people's bands among what G sees,
4 with their entropy and the degrees heard, 5 with the time that is left until the last note,
6 with how bars came again, 7 with the form that is asked for."""
TASTE_CANDIDATES = 8
"""Pieces written at once where a taste is heard or words are sung. In large batches they cost about as much as so many
pieces."""

MOST_ATTEMPTS = 6
"""How often a piece is written until it is no copy. One in thirty is one; of six in a row hardly any."""
_FORMED = [NAMES.index(name) for name in FORMED]
CATALOGUE_RUNS = "catalogue_runs"
"""Among a checkpoint's weights: the runs of notes by which a copy is known."""


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A piece, and what is known about how it came to be."""

    melody: Melody
    figures: dict[str, Any] = field(default_factory=dict)
    """`log_policy` and `log_prior` in nats, `kl_per_step`, `notes`; `form` of a piece that was asked for in one;
    `longest_shared_run` with the catalogue, in notes, and `shared_runs_of_ten`, the share of its runs of ten notes that a
    tune has too."""


@dataclass(frozen=True, kw_only=True)
class ComposerPolicy:
    """A prior and, in a `dqn` version, G."""

    kind: str
    writer: Writer
    styles: tuple[str, ...]
    """Styles the prior knows; another one is composed as “any style”."""
    prior_sha256: str
    """Hash of the prior's weights, the same in a prior version and in every policy trained on it."""
    originality: Originality | None = None
    """What its pieces may share with the catalogue; None in checkpoints of before."""
    forms: Forms = field(default_factory=Forms)
    """Of people's tunes, one of which each piece is given; none in checkpoints of before."""
    gamuts: Gamuts = field(default_factory=Gamuts)
    """Likewise."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The checkpoint's configuration: bands of people, what it was trained with."""

    def compose(
        self,
        steering: Steering,
        taste_vector_D: Taste,
        *,
        seed: int,
        report: Callable[[float], None] | None = None,
        fit: Fit | None = None,
    ) -> Composed:
        """One piece. The same arguments give the same piece."""
        torch.set_num_threads(1)
        return self._compose([steering], [taste_vector_D], [seed], report, fit)[0]

    def compose_many(
        self, steerings: Sequence[Steering], taste_vectors: Sequence[Taste], *, seeds: Sequence[int]
    ) -> list[Composed]:
        """Many pieces at once, much faster; sums are rounded differently, so a piece may differ from `compose`."""
        return self._compose(steerings, taste_vectors, seeds, None)

    def _compose(
        self,
        steerings: Sequence[Steering],
        tastes: Sequence[Taste],
        seeds: Sequence[int],
        report: Callable[[float], None] | None,
        fit: Fit | None = None,
    ) -> list[Composed]:
        """Where a taste is heard or words are sung, several candidates are written at once, and of the original ones the one
        that the taste likes best, or that takes the words best, is kept."""
        wishes = list(zip(steerings, tastes, seeds, strict=True))
        is_heard = [_is_heard(steering, taste) for steering, taste, _ in wishes]
        counts = [TASTE_CANDIDATES if heard or fit is not None else 1 for heard in is_heard]
        asked = [
            (steering, taste, seed if number == 0 else _further_seed(seed, number))
            for (steering, taste, seed), count in zip(wishes, counts, strict=True)
            for number in range(count)
        ]
        plans = [Plan(steering=steering) for steering, _, _ in asked]
        starts_M = np.cumsum([0, *counts[:-1]])
        written, beyond_B = self._write_candidates(
            plans, [taste for _, taste, _ in asked], [seed for _, _, seed in asked], starts_M, report
        )
        heard = [taste if heard else None for taste, heard in zip(tastes, is_heard, strict=True)]
        pieces = zip(np.split(np.arange(len(asked)), starts_M[1:]), heard, strict=True)
        return [
            self._best(written, rows[beyond_B[rows] == beyond_B[rows].min()], len(rows), taste, fit) for rows, taste in pieces
        ]

    def write_original(self, plans: Sequence[Plan], tastes: Sequence[Taste], *, seeds: Sequence[int]) -> Written:
        """As `write`, but a copy of the catalogue is written anew with seeds that follow from its own. Where every attempt
        is one, the attempt that shares least stays."""
        return self._write_candidates(plans, tastes, seeds, np.arange(len(plans)), None)[0]

    def _write_candidates(
        self,
        plans: Sequence[Plan],
        tastes: Sequence[Taste],
        seeds: Sequence[int],
        starts_M: Whole,
        report: Callable[[float], None] | None,
    ) -> tuple[Written, Whole]:
        """The candidates of each piece, which begin at these rows, and by how many notes each is a copy. One that is original
        is enough; only where there is none they are written anew."""
        written = self.write(plans, tastes, seeds=seeds, report=report)
        beyond_B = self._notes_too_many(plans, written)
        least_M = np.minimum.reduceat(beyond_B, starts_M)
        copies = np.flatnonzero(np.repeat(least_M, np.diff(starts_M, append=len(plans)))).tolist()
        if not copies:
            return written, beyond_B
        # All further attempts at once: a batch of few lines takes as long as one line.
        tries = [(row, attempt) for attempt in range(1, MOST_ATTEMPTS) for row in copies]
        same_plans = [plans[row] for row, _ in tries]
        further = [_further_seed(seeds[row], TASTE_CANDIDATES + attempt) for row, attempt in tries]
        again = self.write(same_plans, [tastes[row] for row, _ in tries], seeds=further)
        for place, ((row, _), beyond) in enumerate(zip(tries, self._notes_too_many(same_plans, again), strict=True)):
            if beyond < beyond_B[row]:
                written.replace_rows(np.array([row]), again, np.array([place]))
                beyond_B[row] = beyond
        return written, beyond_B

    def _notes_too_many(self, plans: Sequence[Plan], written: Written) -> Whole:
        """By how many notes each piece's own notes share too long a run with the catalogue."""
        if self.originality is None:
            return np.zeros(len(plans), dtype=np.int64)
        found = [
            self.originality.notes_too_many(melody, plan.steering.style, _is_own(plan, melody))
            for plan, melody in zip(plans, written.melodies, strict=True)
        ]
        return np.array(found, dtype=np.int64)

    def write(
        self,
        plans: Sequence[Plan],
        tastes: Sequence[Taste],
        *,
        seeds: Sequence[int],
        keep_trace: bool = False,
        guide: Guide | None = None,
        report: Callable[[float], None] | None = None,
    ) -> Written:
        """Melodies of these plans, with what measuring them needs; a form is drawn where none was."""
        taste_BF = np.stack([self._nats(heard_taste(plan, taste)) for plan, taste in zip(plans, tastes, strict=True)])
        plans = self.plan(plans, seeds, taste_BF)
        return self.writer.write(
            plans,
            styles=[style_number(plan.steering.style, self.styles) for plan in plans],
            condition_BC=np.stack([condition(plan) for plan in plans]),
            taste_BF=taste_BF,
            generators=[np.random.default_rng([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF]) for seed in seeds],
            keep_trace=keep_trace,
            guide=guide,
            report=report,
        )

    def plan(self, plans: Sequence[Plan], seeds: Sequence[int], taste_BF: NDArray[np.float64]) -> list[Plan]:
        """The plans, each with the form and the gamut that follow from its seed, where it takes them; of forms rather those
        that the taste likes, in nats per feature."""
        nats_B2 = of_plain(taste_BF)[:, _FORMED]
        return [
            self._planned(plan, seed, nats_2) if plan.form is None and plan.takes_form else plan
            for plan, seed, nats_2 in zip(plans, seeds, nats_B2, strict=True)
        ]

    def _planned(self, plan: Plan, seed: int, nats_2: NDArray[np.float64]) -> Plan:
        steering = plan.steering
        plan = replace(plan, form=self.forms.draw(steering.style, steering.bars, seed, nats_2))
        if steering.primer is not None:
            return plan  # it says which degrees there are
        narrower = replace(plan, gamut=self.gamuts.draw(steering.style, steering.mode, seed))
        return narrower if narrower.pitches().sum() >= FEWEST_PITCHES else plan

    def _best(self, written: Written, rows: Whole, candidates: int, taste: Taste, fit: Fit | None) -> Composed:
        """Of these candidates the one that the taste likes best; with words the one that takes them best, where there is
        both among the half that the taste likes better. Of equals it is the first."""
        figures: dict[str, Any] = {"candidates": candidates} if candidates > 1 else {}
        likings = {} if taste is None else {int(row): taste_liking(features(written.melodies[row]), taste) for row in rows}
        ranked = sorted(rows.tolist(), key=lambda row: -likings.get(row, 0.0))
        if fit is not None:
            chosen = ranked if taste is None else ranked[: (len(ranked) + 1) // 2]
            ranked = sorted(chosen, key=lambda row: -fit(written.melodies[row]))
        best = ranked[0]
        if taste is not None:
            figures["taste_liking"] = likings[best]
        composed = self._composed(written, best)
        return replace(composed, figures=composed.figures | figures)

    def _composed(self, written: Written, row: int) -> Composed:
        melody, steps = written.melodies[row], max(int(written.steps_B[row]), 1)
        figures: dict[str, Any] = {
            "notes": len(melody.notes),
            "log_policy": float(written.log_policy_B[row]),
            "log_prior": float(written.log_prior_B[row]),
            "kl_per_step": float(written.kl_B[row]) / steps,
        }
        figures |= written.given_up(row)
        if written.forms[row]:
            figures["form"] = letters_of(melody)
        if self.originality is not None:
            figures["longest_shared_run"] = self.originality.catalogue.longest_shared(melody)
            figures["shared_runs_of_ten"] = self.originality.catalogue.shared_share(melody)
        return Composed(melody=melody, figures=figures)

    def _nats(self, taste_D: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a standard deviation of each feature is worth, in nats."""
        return taste_D * float(self.settings.get("taste_gain", 0.0))


def load_policy(kind: str, folder: Path | None) -> ComposerPolicy:
    """The policy of a version; BrokenCheckpoint where the folder holds none of this kind."""
    if kind not in KINDS:
        raise ValueError(f"a composer is one of {', '.join(KINDS)}, not {kind!r}")
    if folder is None:
        raise BrokenCheckpoint("a composer needs the folder of its checkpoint")
    return policy_of(kind, read_checkpoint(folder))


def policy_of(kind: str, checkpoint: Checkpoint) -> ComposerPolicy:
    """The policy of a checkpoint that was read."""
    settings = checkpoint.configuration
    prior = Prior(hidden=settings["hidden"])
    _load(prior, checkpoint.weights, "prior.")
    advantage, foresight = None, None
    if kind == "dqn":
        _check_heads(settings)
        advantage, foresight = new_heads(prior)
        _load(advantage, checkpoint.weights, "advantage.")
        _load(foresight, checkpoint.weights, "foresight.")
        advantage.eval()
        foresight.eval()
    writer = Writer(
        prior=prior.eval(),
        is_added_to_prior=is_added_to_prior(settings.get("algorithm", "kl_residual")),
        bands=Bands(settings["bands"]) if settings.get("bands") else None,
        wish_gain=settings.get("wish_gain", 0.0),
        advantage=advantage,
        foresight=foresight,
        temperature=settings.get("temperature", 1.0),
        prior_temperature=settings.get("prior_temperature", 1.0),
    )
    return ComposerPolicy(
        kind=kind,
        writer=writer,
        styles=tuple(settings["styles"]),
        prior_sha256=hash_weights(checkpoint.weights),
        originality=_originality_of(checkpoint),
        forms=Forms(settings.get("forms", {})),
        gamuts=Gamuts(settings.get("gamuts", {})),
        settings=settings,
    )


def _originality_of(checkpoint: Checkpoint) -> Originality | None:
    runs_G = checkpoint.weights.get(CATALOGUE_RUNS)
    if runs_G is None:
        return None
    return Originality(catalogue=CatalogueIndex(runs_G), limits=checkpoint.configuration["copy_limits"])


def _check_heads(settings: dict[str, Any]) -> None:
    """Refuses a policy whose heads this version can't read."""
    if settings.get("stage") == "policy" and (heads := settings.get("heads", 1)) != HEADS:
        raise BrokenCheckpoint(
            f"this policy has heads of format {heads}, and this version reads format {HEADS}: train the policy again "
            "(its prior can still be served)"
        )


def new_heads(prior: Prior) -> tuple[Advantage, Foresight]:
    """G and foresight before any training: they add nothing."""
    sizes = {"body": prior.body.out_features, "rules": RULE_VALUES, "condition": CONDITION}
    return Advantage(**sizes), Foresight(**sizes, features=TASTES)


def hash_weights(weights: dict[str, NDArray[Any]]) -> str:
    """sha256 over the prior's weights among these."""
    total = hashlib.sha256()
    for name in sorted(name for name in weights if name.startswith("prior.")):
        total.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
    return total.hexdigest()


def _load(network: torch.nn.Module, weights: dict[str, NDArray[Any]], prefix: str) -> None:
    """Loads the weights that begin with the prefix; BrokenCheckpoint where they don't fit this version's network."""
    chosen = {
        name.removeprefix(prefix): torch.from_numpy(value.copy()) for name, value in weights.items() if name.startswith(prefix)
    }
    try:
        network.load_state_dict(chosen)
    except RuntimeError as error:
        raise BrokenCheckpoint(f"the weights don't fit this version's network: {error}") from error


def _is_heard(steering: Steering, taste: Taste) -> bool:
    return taste is not None and steering.taste_strength > 0


def _is_own(plan: Plan, melody: Melody) -> list[bool] | None:
    """Which notes the composer chose; None where it chose all."""
    given = plan.given()
    if not given:
        return None
    starts = accumulate((note.quarters for note in melody.notes), initial=-melody.pickup)
    return [in_ticks(start) not in given for start, _ in zip(starts, melody.notes, strict=False)]


def _further_seed(seed: int, number: int) -> int:
    """A seed of its own for each further candidate or attempt, a function of the piece's seed alone."""
    return int(np.random.default_rng([seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF, number]).integers(2**62))
