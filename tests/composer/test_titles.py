"""Titles: the same seed, the same name; many names; never too long."""

from composer.titles import title_of
from music.styles import PROGRAMS


def test_the_same_seed_gives_the_same_title() -> None:
    assert title_of(seed=5, style="reel", mode="major") == title_of(seed=5, style="reel", mode="major")


def test_titles_vary_and_fit() -> None:
    titles = {
        title_of(seed=seed, style=style, mode=mode) for seed in range(100) for style in PROGRAMS for mode in ("major", "minor")
    }

    assert len(titles) > 500
    assert all(0 < len(title) <= 200 and "{" not in title for title in titles)


def test_a_variation_of_a_variation_does_not_pile_up_names() -> None:
    first = title_of(seed=1, style="reel", mode="major", parent_title="The Tuner's Fancy")

    assert title_of(seed=2, style="reel", mode="major", parent_title=first).count(",") == 1
