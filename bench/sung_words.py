"""Do melodies go with the words that are sung to them? Tones of Mandarin, stress of English. Before: composer. After: docs.

Agreement is the share of steps in the tones' direction among those that go up or down at all, where the tones ask for one; by
chance it is a half. `as written` is one draft with words set as if they had no tones, which is what pieces were before;
`set by tones` is the same draft; `ours` is a piece. `other words` asks the tones of another poem of the same melodies: what
is left of the agreement there is no one's doing. An interval is over pieces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from bench.report import Report, bootstrap_ratio, make_parser, read_options
from bench.trained_composer import add_composer_options, policies, read_tunes, set_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from composer.learning.policy import ComposerPolicy
    from composer.prompting.lyrics import Verse
    from composer.prompting.tones import Followed
    from composer.prompting.underlay import Underlay
    from music.notes import Melody

POEMS = (
    "床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
    "春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。",
    "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。",
    "红豆生南国，春来发几枝。\n愿君多采撷，此物最相思。",
    "千山鸟飞绝，万径人踪灭。\n孤舟蓑笠翁，独钓寒江雪。",
    "空山不见人，但闻人语响。\n返景入深林，复照青苔上。",
    "朝辞白帝彩云间，千里江陵一日还。\n两岸猿声啼不住，轻舟已过万重山。",
    "月落乌啼霜满天，江枫渔火对愁眠。\n姑苏城外寒山寺，夜半钟声到客船。",
    "故人西辞黄鹤楼，烟花三月下扬州。\n孤帆远影碧空尽，唯见长江天际流。",
    "独在异乡为异客，每逢佳节倍思亲。\n遥知兄弟登高处，遍插茱萸少一人。",
)
SONGS = (
    "Twinkle, twinkle, little star,\nHow I wonder what you are!\nUp above the world so high,\nLike a diamond in the sky.",
    "Amazing grace, how sweet the sound\nThat saved a wretch like me\nI once was lost, but now am found",
    "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,\nCould frame thy fearful symmetry?",
    "I wandered lonely as a cloud\nThat floats on high o'er vales and hills,\nWhen all at once I saw a crowd",
    "Hope is the thing with feathers\nThat perches in the soul\nAnd sings the tune without the words\nAnd never stops at all",
    "There once was a man from Nantucket\nWho kept all his cash in a bucket",
    "O my love is like a red red rose\nThat's newly sprung in June\nO my love is like the melody",
    "Row, row, row your boat\nGently down the stream\nMerrily, merrily, merrily, merrily\nLife is but a dream",
    "The splendour falls on castle walls\nAnd snowy summits old in story\nThe long light shakes across the lakes",
    "Shall I compare thee to a summer's day?\nThou art more lovely and more temperate",
)
"""All of them are older than any copyright."""


def main() -> int:
    """Measures and prints."""
    parser = make_parser(__doc__, seeds=4)
    add_composer_options(parser)
    options = read_options(parser)
    set_up()
    report = Report("sung_words", options)
    from composer.learning.replay_dataset import MelodyDataset

    ours, _ = policies(options, MelodyDataset(()) if options.checkpoint else read_tunes(30 if options.quick else 3))
    texts = 2 if options.quick else None
    measure_tones(report, ours, POEMS[:texts], range(options.seeds))
    measure_stress(report, ours, SONGS[:texts], range(options.seeds))
    return report.finish()


def measure_tones(report: Report, policy: ComposerPolicy, poems: Sequence[str], seeds: Sequence[int]) -> None:
    """How often a step goes with the tones."""
    from composer.prompting.underlay import underlay

    found: dict[str, list[Underlay]] = {"as written": [], "set by tones": [], "other words": [], "ours": []}
    verses, pieces = [verse_of(poem) for poem in poems], list(written(policy, poems, seeds))
    for number, draft, piece in pieces:
        verse, other = verses[number], verses[(number + 1) % len(verses)]
        found["set by tones"].append(underlay(verse, draft))
        found["ours"].append(underlay(verse, piece))
        found["as written"].append(heard(verse, underlay(toneless(verse), draft), draft))
        found["other words"].append(heard(other, underlay(toneless(other), piece), piece))
    for name, words in found.items():
        report.add(name, "agreement_of_steps", *agreement(one.tones for one in words))
        report.add(name, "agreement_of_glides", *agreement(one.glides for one in words))


def measure_stress(report: Report, policy: ComposerPolicy, songs: Sequence[str], seeds: Sequence[int]) -> None:
    """How many stressed syllables begin a bar or half of one."""
    from composer.prompting.underlay import underlay

    found: dict[str, list[Underlay]] = {"as written": [], "ours": []}
    for number, draft, piece in written(policy, songs, seeds):
        for name, melody in (("as written", draft), ("ours", piece)):
            found[name].append(underlay(verse_of(songs[number]), melody))
    for name, words in found.items():
        strong, stressed = [one.stressed_on_strong for one in words], [one.stressed for one in words]
        report.add(name, "stressed_on_strong_beats", *bootstrap_ratio(strong, stressed))
    ours, before = (np.array([one.stressed_on_strong / one.stressed for one in words]) for words in reversed(found.values()))
    report.add_samples("ours minus as written", "stressed_on_strong_beats", ours - before)


def written(policy: ComposerPolicy, texts: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[int, Melody, Melody]]:
    """For each text and seed its number, one draft, and the piece that is kept."""
    from composer.prompting.lyrics import read_lyrics
    from composer.prompting.underlay import fit_of

    for number, text in enumerate(texts):
        steering, verse = read_lyrics(text, policy.styles).steering, verse_of(text)
        for seed in seeds:
            own = 1000 * seed + number
            draft = policy.compose(steering, None, seed=own).melody
            kept = policy.compose(steering, None, seed=own, fit=partial(fit_of, verse))
            yield number, draft, kept.melody


def verse_of(text: str) -> Verse:
    """The lines of a text."""
    from composer.prompting import lyrics

    return lyrics.verse_of(text)


def toneless(verse: Verse) -> Verse:
    """The same words, as if nothing were known of their tones."""
    return replace(verse, lines=tuple(tuple(replace(syllable, tone=0) for syllable in line) for line in verse.lines))


def heard(verse: Verse, words: Underlay, melody: Melody) -> Underlay:
    """Words that were set without their tones, with the steps that these would have asked for."""
    from composer.prompting.underlay import tones_followed

    pitches = [note.pitch for note in melody.notes if note.pitch is not None]
    tones, glides = tones_followed(verse.lines[: words.lines], words.notes, np.diff(pitches, prepend=pitches[0]))
    return replace(words, tones=tones, glides=glides)


def agreement(pieces: Iterable[Followed]) -> tuple[float, float, float]:
    """Share that goes with the tones of what goes with or against them, and its interval."""
    counted = [(steps.followed, steps.followed + steps.opposed) for steps in pieces]
    return bootstrap_ratio(*zip(*counted, strict=True))


if __name__ == "__main__":
    raise SystemExit(main())
