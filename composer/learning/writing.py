"""Writes melodies note by note from the prior, with or without G. Before: policy.py, rollouts. After: melodies, episodes.

Shapes as in network.py; R values of the rules' state, C of the condition. All lines of a batch grow together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from composer.bands import Bands
from composer.constraints import RELAXED, Constraints, Plan
from composer.learning.additions import Added
from composer.learning.advantage import Advantage, Foresight
from composer.learning.drawing import NOTHING, Odds, Sums, draw
from composer.learning.features import DURATION_TICKS, Lines, in_ticks, metre_number
from composer.learning.foreseeing import Asked, ForesightStep
from composer.learning.network import Prior
from composer.learning.standing import RuleState
from composer.learning.stepping import AdvantageStep, PriorStep
from composer.line import SHORT_BARS
from composer.tokens import DURATIONS, duration_number, pitch_of, pitch_token
from music.notes import MODES, Melody, Note

Whole = NDArray[np.int64]
SHORTEST_TICKS = 6
_TICKS = np.append(DURATION_TICKS, 0)
FLATNESS_OF_TUNES = 0.6
"""Power of the phrases' flatness that tunes have."""
FLATTEST = 3.2
"""Temperature of the prior that is as far from the catalogue as can be asked."""
FARNESS_POWER = 1.5
"""Of that temperature, by which G is weakened: people's bands say once more what is usual."""
Guide = Callable[[Lines, NDArray[np.bool_], str], Whole]
"""Forces tokens during rollouts: (lines, open, `pitch` or `duration`) → token per line, −1 where the policy chooses."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Finished melodies, and every step of them where it was asked for."""

    melodies: list[Melody]
    log_policy_B: NDArray[np.float64]
    """log π of each whole piece, in nats; given notes, and those of bars that come back, count nothing."""
    log_behaviour_B: NDArray[np.float64]
    """The same with log 1 where a guide forced the token: what importance weights need."""
    log_prior_B: NDArray[np.float64]
    """log p₀ of the same notes under the prior without masks."""
    kl_B: NDArray[np.float64]
    """Sum over the steps of KL(π ‖ masked p₀)."""
    steps_B: Whole
    """Steps at which something was chosen: two per note."""
    relaxed_B4: Whole
    """How often each of `constraints.RELAXED` was given up."""
    forms: list[str]
    """Asked for each piece, as `composer.forms` writes them; empty where none was."""
    trace: dict[str, Tensor] | None = None
    """Every step: what `policy_training` makes episodes of."""

    def given_up(self, row: int) -> dict[str, dict[str, int]]:
        """For the figures of a piece: how often each of `constraints.RELAXED` was given up in it; empty where nothing was."""
        counted = dict(zip(RELAXED, self.relaxed_B4[row].tolist(), strict=True))
        return {"relaxed": counted} if any(counted.values()) else {}

    def replace_rows(self, rows: Whole, other: Written, other_rows: Whole) -> None:
        """Puts melodies of another batch in the place of these; for batches without a trace."""
        for row, other_row in zip(rows, other_rows, strict=True):
            self.melodies[row], self.forms[row] = other.melodies[other_row], other.forms[other_row]
        for name in ("log_policy_B", "log_behaviour_B", "log_prior_B", "kl_B", "steps_B", "relaxed_B4"):
            getattr(self, name)[rows] = getattr(other, name)[other_rows]


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A prior, G and foresight or None, and the temperatures they were trained at."""

    prior: Prior
    advantage: Advantage | None = None
    foresight: Foresight | None = None
    temperature: float = 1.0
    prior_temperature: float = 1.0
    """Above 1 the prior of phrases (pieces of a few bars) is flattened, that of tunes less: in training as at play."""
    is_added_to_prior: bool = True
    """False for `q`, `double_q` and `psi`, whose values hold log p₀ already: π ∝ exp(Q)."""
    bands: Bands | None = None
    """People's, by which G knows how far a line may go; None where there is no G."""
    wish_gain: float = 0.0
    """Nats for each standard deviation that the piece is foreseen to end beside a graded wish."""

    @torch.no_grad()
    def write(
        self,
        plans: Sequence[Plan],
        *,
        styles: Sequence[int],
        condition_BC: NDArray[np.float32],
        generators: Sequence[np.random.Generator],
        taste_BF: NDArray[np.float64] | None = None,
        keep_trace: bool = False,
        guide: Guide | None = None,
        report: Callable[[float], None] | None = None,
    ) -> Written:
        """One melody per plan. A line's draws come from its own generator; `taste_BF` is worth so many nats per feature."""
        return _Writing(self, plans, styles, condition_BC, generators, taste_BF, keep_trace, guide, report).run()


class _Writing:
    """One batch on its way."""

    def __init__(
        self,
        writer: Writer,
        plans: Sequence[Plan],
        styles: Sequence[int],
        condition_BC: NDArray[np.float32],
        generators: Sequence[np.random.Generator],
        taste_BF: NDArray[np.float64] | None,
        keep_trace: bool,
        guide: Guide | None,
        report: Callable[[float], None] | None,
    ) -> None:
        self.writer, self.plans, self.guide, self.report = writer, plans, guide, report
        self.given = [plan.given() for plan in plans]
        self.rows_with_given = [row for row, given in enumerate(self.given) if given]
        end_B = np.array([plan.end_ticks for plan in plans])
        capacity = int(end_B.max()) // SHORTEST_TICKS + 2 + max(len(given) for given in self.given)
        self.lines = Lines(
            bar_B=np.array([plan.bar_ticks for plan in plans]),
            pickup_B=np.zeros(len(plans), dtype=np.int64),
            end_B=end_B,
            metre_B=np.array([metre_number(plan.steering.metre) for plan in plans]),
            mode_B=np.array([MODES.index(plan.steering.mode) for plan in plans]),
            style_B=np.array(styles, dtype=np.int64),
            capacity=capacity,
        )
        self.uniform_TB = np.stack([generator.random(2 * capacity) for generator in generators], axis=1)
        self.steps = 0
        self.constraints = Constraints(plans, self.lines)
        self.rules = RuleState(plans, writer.bands)
        self.flatness_B1 = np.array([[flatness_of(plan, writer.prior_temperature)] for plan in plans], dtype=np.float32)
        # Who asks to be far from what is usual asks it of G too, which knows what is usual and would hold against it.
        self.farness_B1 = np.array([[max(1.0, flatness_of(plan, 1.0)) ** FARNESS_POWER] for plan in plans], dtype=np.float32)
        self.foresight = None
        if writer.foresight is not None and (asked := Asked.of(plans, taste_BF)) is not None:
            self.foresight = ForesightStep(writer.foresight, asked, writer.wish_gain)
        self.condition_BC = condition_BC
        self.prior = PriorStep(writer.prior, len(plans))
        self.advantage = None if writer.advantage is None else AdvantageStep(writer.advantage)
        self.notes: dict[int, list[Note]] = {row: [] for row in self.rows_with_given}
        self.now = dict.fromkeys(self.rows_with_given, Fraction(0))
        self.trace: dict[str, list[Tensor]] | None = {} if keep_trace else None
        self.sums = Sums.of(len(plans))

    def run(self) -> Written:
        while not self.constraints.is_done_B.all():
            self._note()
            if self.report is not None and self.lines.length % 16 == 0:
                self.report(float((self.lines.now_B / self.lines.end_B).min().clip(0, 1)))
        trace = None if self.trace is None else {name: torch.stack(kept, dim=1) for name, kept in self.trace.items()}
        if trace is not None:
            trace["condition"] = torch.from_numpy(self.condition_BC)
        melodies = [self._melody(row) for row in range(len(self.plans))]
        return Written(
            melodies=melodies,
            **self.sums._asdict(),
            relaxed_B4=self.constraints.relaxed_B4,
            forms=[plan.form or "" for plan in self.plans],
            trace=trace,
        )

    def _note(self) -> None:
        """One more note for every line."""
        lines, done_B = self.lines, self.constraints.is_done_B
        self.prior.look(lines.observe(), done_B)
        given = self._given()
        given_rows = [row for row in self.rows_with_given if given[row] is not None]
        relaxed = self.constraints.relaxed_B4[given_rows]
        rules_BR, standing_BS = self.rules.observe(lines), self.rules.standing(lines)
        heads = (self.advantage, self.foresight)
        added = Added(self.prior, *heads, self.farness_B1, rules_BR, standing_BS, self.condition_BC)
        pitch_B, pitch_step = self._pitches(added, given, done_B)
        duration_B, duration_step = self._durations(added, given, done_B, pitch_B)
        # Whatever the masks say of a given note, nothing had to be given up for it.
        self.constraints.relaxed_B4[given_rows] = relaxed
        if self.trace is not None:
            self._keep((rules_BR, standing_BS), (pitch_B, pitch_step), (duration_B, duration_step), done_B)
        self._append(pitch_B, duration_B, given, done_B)

    def _pitches(self, added: Added, given: list[Note | None], done_B: NDArray[np.bool_]) -> tuple[Whole, Odds]:
        open_BP = self.constraints.pitches()
        forced_B = self.constraints.kept_B.copy()
        for row, note in enumerate(given):
            if note is not None:
                forced_B[row] = pitch_token(note.pitch, self.plans[row].steering.tonic)
        return self._choose(self.prior.pitches(), added.pitches(open_BP), open_BP, forced_B, done_B, "pitch")

    def _durations(
        self, added: Added, given: list[Note | None], done_B: NDArray[np.bool_], pitch_B: Whole
    ) -> tuple[Whole, Odds]:
        open_BD = self.constraints.durations(pitch_B)
        forced_B = self.constraints.kept_B.copy()
        for row, note in enumerate(given):
            if note is not None:
                forced_B[row] = duration_number(note.quarters)
        g_BD = added.durations(pitch_B, open_BD)
        return self._choose(self.prior.durations(pitch_B), g_BD, open_BD, forced_B, done_B, "duration")

    def _choose(
        self,
        plain_BA: NDArray[np.float32],
        g_BA: NDArray[np.float32] | None,
        open_BA: NDArray[np.bool_],
        given_B: Whole,
        done_B: NDArray[np.bool_],
        kind: str,
    ) -> tuple[Whole, Odds]:
        """Draws one token per line."""
        writer = self.writer
        odds = Odds.of(plain_BA, g_BA, self.flatness_B1, writer.temperature, writer.is_added_to_prior, open_BA)
        uniform_B = self.uniform_TB[self.steps]
        self.steps += 1
        guided_B = np.full_like(given_B, NOTHING) if self.guide is None else self.guide(self.lines, open_BA, kind)
        return draw(odds, uniform_B, given_B, guided_B, done_B, self.sums), odds

    def _given(self) -> list[Note | None]:
        if not self.rows_with_given:
            return [None] * len(self.plans)
        return [given.get(int(now)) for given, now in zip(self.given, self.lines.now_B, strict=True)]

    def _append(self, pitch_B: Whole, duration_B: Whole, given: list[Note | None], done_B: NDArray[np.bool_]) -> None:
        ticks_B = _TICKS[duration_B]
        for row in self.rows_with_given:
            if not done_B[row]:
                note = given[row] or self._note_of(row, int(pitch_B[row]), int(duration_B[row]))
                self.notes[row].append(note)
                # Given notes may stand beside the ticks: what is rounded away must not add up.
                self.now[row] += note.quarters
                ticks_B[row] = in_ticks(self.now[row]) - self.lines.now_B[row]
        ticks_B[done_B] = DURATION_TICKS[0]
        self.rules.append(self.lines, pitch_B, ticks_B, ~done_B)
        self.constraints.append(pitch_B)
        self.lines.append(pitch_B, duration_B, ticks_B)

    def _note_of(self, row: int, pitch: int, duration: int) -> Note:
        steering = self.plans[row].steering
        if duration < len(DURATIONS):
            return _note(pitch, duration, steering.tonic)
        # Only after given notes that end beside the grid: the rest of the bar.
        return Note(pitch_of(pitch, steering.tonic), steering.bar_quarters - self.now[row] % steering.bar_quarters)

    def _melody(self, row: int) -> Melody:
        steering = self.plans[row].steering
        notes = self.notes.get(row)
        if notes is None:
            lines, count = self.lines, int(np.searchsorted(self.lines.start_BN[row], self.lines.end_B[row]))
            tokens = lines.pitch_BN[row, :count].tolist(), lines.duration_BN[row, :count].tolist()
            notes = list(map(_note, *tokens, repeat(steering.tonic)))
        return Melody(
            notes=tuple(notes),
            metre=steering.metre,
            tonic=steering.tonic,
            mode=steering.mode,
            tempo=float(steering.tempo),
        )

    def _keep(
        self,
        rules: tuple[NDArray[np.float32], NDArray[np.int16]],
        pitch: tuple[Whole, Odds],
        duration: tuple[Whole, Odds],
        done_B: NDArray[np.bool_],
    ) -> None:
        """Adds this note to the trace."""
        assert self.trace is not None
        step = {
            "body": self.prior.bodies().astype(np.float16),
            "source_pitch": self.prior.source_pitch_BS.astype(np.uint8),
            "source_duration": self.prior.source_duration_BS.astype(np.uint8),
            "rules": rules[0],
            "standing": rules[1],
            "pitch": pitch[0].astype(np.uint8),
            "duration": duration[0].astype(np.uint8),
            "pitch_mask": pitch[1].open_BA,
            "pitch_log_prior": pitch[1].logits_BA,
            "duration_mask": duration[1].open_BA,
            "duration_log_prior": duration[1].logits_BA,
            "valid": ~done_B,
        }
        for name, array in step.items():
            self.trace.setdefault(name, []).append(torch.from_numpy(array))


@lru_cache(maxsize=4096)
def _note(pitch: int, duration: int, tonic: int) -> Note:
    """Of tokens; one object for all notes that are the same."""
    return Note(pitch_of(pitch, tonic), DURATIONS[duration])


def flatness_of(plan: Plan, of_phrases: float) -> float:
    """How much the prior is flattened: by a wish of closeness from FLATTEST at 0 evenly down to 1/FLATTEST at 1, which is
    heard evenly too (log p₀ hardly changes below a temperature of ½); and against G, which
    prefers what is likely anyway: phrases of a few bars, of which there would be too few different ones, more than tunes,
    which would share long runs with the catalogue."""
    closeness = plan.steering.closeness
    asked = 1.0 if closeness is None else FLATTEST - (FLATTEST - 1 / FLATTEST) * closeness
    return asked * (of_phrases if plan.steering.bars <= SHORT_BARS else of_phrases**FLATNESS_OF_TUNES)
