"""How often people's bars come back, by style, and what that makes of their price. Before: the catalogue. After: judging.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from composer.rewards import PART_ENDINGS, RETURNS, RuleWeights
from music.counted import Counted
from music.notes import Melody

USUAL_OPENINGS, USUAL_ENDINGS = 0.25, 0.2
"""Shares at which a bar is worth what `RuleWeights` says."""
HIGHEST_SHARE = 0.5
"""A style whose bars come back more often pays no more for them."""
FEWEST_BARS = 60
"""Seen of a style, for shares of its own; others have those of all styles."""


@dataclass(frozen=True)
class Returning:
    """Shares of the bars of `rewards.RETURNS` that come back, of openings and of endings of second parts, by style; the key ""
    has those of all styles."""

    of_style: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"": (USUAL_OPENINGS, USUAL_ENDINGS)})

    @classmethod
    def measure(cls, tunes: Iterable[tuple[str, Melody]]) -> Returning:
        """Of styles and melodies of people; of a bar that may come back from two places the farther one counts.

        A bar in which no note begins is left out and shifts those behind it; hardly any tune has one."""
        seen: defaultdict[tuple[str, bool], list[bool]] = defaultdict(list)
        for style, melody in tunes:
            bars = Counted.of(melody).bars()
            for number in range(min(RETURNS), len(bars)):
                for back in RETURNS.get(number % 16, ())[-1:]:
                    comes_back = bars[number] == bars[number - back]
                    for name in ("", style):
                        seen[name, number % 16 in PART_ENDINGS].append(comes_back)
        usual = {False: USUAL_OPENINGS, True: USUAL_ENDINGS}
        found: dict[str, tuple[float, float]] = {}
        for style in ["", *{style for style, _ in seen}]:
            shares = []
            for is_ending in (False, True):
                group = seen[style, is_ending] if len(seen[style, is_ending]) >= FEWEST_BARS else seen["", is_ending]
                shares.append(sum(group) / len(group) if group else usual[is_ending])
            found[style] = (shares[0], shares[1])
        return cls(found)

    def price(self, weights: RuleWeights, style: str) -> RuleWeights:
        """The weights with bars that come back worth the more, the more often people's of this style do."""
        openings, endings = self.of_style.get(style, self.of_style[""])
        return replace(
            weights,
            bar_returns=weights.bar_returns * min(openings, HIGHEST_SHARE) / USUAL_OPENINGS,
            part_ending_returns=weights.part_ending_returns * min(endings, HIGHEST_SHARE) / USUAL_ENDINGS,
        )
