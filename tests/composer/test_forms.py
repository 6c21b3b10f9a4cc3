"""Forms: counted in people's tunes, drawn for a piece, and kept to by whoever writes."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Account
from composer.composing import compose_commission
from composer.constraints import Plan
from composer.forms import BACKS, BEGINNING, FEWEST_TUNES, WHOLE, Forms, in_words, letters_of, shares_of
from composer.gamuts import Gamuts, gamut_of
from composer.learning.condition import TASTES
from composer.learning.network import Prior
from composer.learning.policy import ComposerPolicy
from composer.learning.writing import Writer
from composer.models import Piece
from composer.steering import Steering
from music.features import NAMES
from music.notes import Melody, Note
from tests.composer.test_constraints import write, write_all

A, B, C, D, E = ((60 + n, 62 + n, 64 + n, 60 + n, 65 + n, 64 + n, 62 + n, 67 - n) for n in range(5))
OTHER_ENDING = (*C[:4], 72, 71, 69, 67)


def tune(*bars: tuple[int, ...], pickup: int = 0) -> Melody:
    """Bars of eighths in 4/4, behind so many eighths of a pickup."""
    pitches = [67] * pickup + [pitch for bar in bars for pitch in bar]
    notes = tuple(Note(pitch, Fraction(1, 2)) for pitch in pitches)
    return Melody(notes=notes, metre=(4, 4), tonic=0, mode="major", pickup=Fraction(pickup, 2))


@pytest.mark.parametrize(
    ("melody", "form"),
    [
        (tune(A, B, C, D, A, B, OTHER_ENDING, E), "....44d."),
        (tune(A, B, C, D, A, B, OTHER_ENDING, E, pickup=3), "....44d."),
        (tune(A, A, A, B, A), ".11.2"),
        (tune(A, B, A, B, A), "..222"),
        (tune(*(A, B, C, D, E, B[::-1], C[::-1], D[::-1]), A), "........8"),
        (tune(A, B, C, A), "...."),
    ],
)
def test_a_form_says_which_bars_come_back_from_where(melody: Melody, form: str) -> None:
    assert letters_of(melody) == form


def test_a_bar_that_is_full_of_one_long_note_shifts_no_other() -> None:
    long = Note(60, Fraction(8))
    bars = tune(A, B, C, D, A, B)

    assert letters_of(replace(bars, notes=(long, *bars.notes))) == "......44"


def test_a_bar_of_one_note_comes_back_from_nowhere() -> None:
    whole = (Note(60, Fraction(4)),) * 3

    assert letters_of(Melody(notes=whole, metre=(4, 4), tonic=0, mode="major")) == "..."


def test_forms_are_drawn_as_often_as_tunes_have_them() -> None:
    dances = [("dance", tune(A, B, C, D, A, B))] * 30 + [("dance", tune(A, B, C, D, E, A))] * 10
    forms = Forms.measure([*dances, ("song", tune(A, A, B, C, D, E))])

    drawn = [forms.draw("dance", 6, seed) for seed in range(400)]
    assert set(drawn) == {"....44", "......"}
    assert np.mean([form == "....44" for form in drawn]) == pytest.approx(0.75, abs=0.07)
    assert drawn == [forms.draw("dance", 6, seed) for seed in range(400)]
    # Of a tune that goes on, its beginning.
    assert {forms.draw("dance", 5, seed) for seed in range(40)} == {"....4", "....."}
    # One song says little: it has the forms of all.
    assert FEWEST_TUNES > 1
    assert len({forms.draw("song", 6, seed) for seed in range(400)}) == 3
    # Hardly anybody's tune is so long.
    assert Forms.measure(dances[:FEWEST_TUNES]).draw("dance", 6, 1) == "....44"
    assert Forms.measure(dances[: FEWEST_TUNES - 1]).draw("dance", 6, 1) == ""
    assert forms.draw("dance", 7, 1) == ""
    assert Forms().draw("dance", 4, 1) == ""


def test_of_forms_those_are_drawn_more_often_that_a_listener_likes() -> None:
    forms = Forms({"dance": {"....44d.": 10, "........": 10, "..2222..": 10}})

    def share(form: str, nats: tuple[float, float]) -> float:
        return float(np.mean([forms.draw("dance", 8, seed, np.array(nats)) == form for seed in range(400)]))

    assert shares_of("....44d.").tolist() == [2 / 7, 1 / 7]
    assert share("..2222..", (0.0, 0.0)) == pytest.approx(1 / 3, abs=0.07)
    # Worth 4, 2 and 0 nats.
    assert share("..2222..", (7.0, 0.0)) == pytest.approx(np.exp(4) / (np.exp(4) + np.exp(2) + 1), abs=0.05)
    assert share("....44d.", (0.0, 70.0)) == 1.0
    assert share("........", (-70.0, 0.0)) == 1.0
    # Worth nothing, it is the draw of those without a taste.
    assert [forms.draw("dance", 8, seed, np.zeros(2)) for seed in range(50)] == [
        forms.draw("dance", 8, seed) for seed in range(50)
    ]


def test_the_form_is_the_same_for_every_listener_at_strength_zero_and_heard_above() -> None:
    policy = ComposerPolicy(
        kind="prior",
        writer=Writer(prior=Prior(hidden=8).eval()),
        styles=("song",),
        prior_sha256="",
        forms=Forms({"song": {"..222222": 20, "........": 20}}),
        settings={"taste_gain": 15.0},
    )
    likes_repeats = np.zeros(TASTES)
    likes_repeats[NAMES.index("share_of_repeated_bars")] = 1.0

    def forms(strength: float, taste: np.ndarray | None) -> list[str]:
        plans = [Plan(steering=Steering(style="song", bars=8, taste_strength=strength))] * 12
        return policy.write(plans, [taste] * 12, seeds=range(12)).forms

    assert forms(0.0, None) == forms(0.0, likes_repeats) == forms(0.0, -likes_repeats)
    assert set(forms(0.0, None)) == {"..222222", "........"}
    assert set(forms(1.0, likes_repeats)) == {"..222222"}
    assert set(forms(1.0, -likes_repeats)) == {"........"}


def test_forms_and_gamuts_survive_a_checkpoint() -> None:
    tunes = [("dance", tune(A, B, A, D, E))] * 30 + [("song", tune(A, A, B, C, A))] * 20
    forms, gamuts = Forms.measure(tunes), Gamuts.measure(tunes)

    kept_forms, kept_gamuts = json.loads(json.dumps([forms.of_style, gamuts.of_group]))

    for seed in range(20):
        assert Forms(kept_forms).draw("song", 5, seed) == forms.draw("song", 5, seed) != ""
        assert Gamuts(kept_gamuts).draw("dance", "major", seed) == gamuts.draw("dance", "major", seed) is not None


@pytest.mark.parametrize("metre", [(4, 4), (6, 8), (3, 4)])
@pytest.mark.parametrize("form", ["....4444", "..222222", ".111.22.", "..22.1d.", "....bd..", ".a.a....8hh8."])
def test_a_piece_keeps_to_its_form_whatever_the_network_says(metre: tuple[int, int], form: str) -> None:
    plan = Plan(steering=Steering(tonic=2, metre=metre, bars=len(form)), form=form)
    endings = changed = 0

    for melody in write([plan] * 20):
        bars, half = [notes_of(melody, number) for number in range(len(form))], melody.bar_quarters / 2
        for number, letter in enumerate(form[:-1]):
            back = dict(zip(WHOLE + BEGINNING, BACKS * 2, strict=True)).get(letter, 0)
            if letter in WHOLE:
                assert bars[number] == bars[number - back]
            elif letter in BEGINNING:
                assert beginning(bars[number], half) == beginning(bars[number - back], half)
                first = next((note for note in bars[number - back] if note[0] >= half), None)
                endings, changed = endings + (first is not None), changed + (first is not None and first not in bars[number])

    assert changed >= 0.8 * endings, "from the middle on it is free"


def notes_of(melody: Melody, number: int) -> list[tuple[Fraction, int | None, Fraction]]:
    """The notes that begin in a bar, with their place in it."""
    bar = melody.bar_quarters
    return [(start - number * bar, note.pitch, note.quarters) for start, note in melody.onsets() if start // bar == number]


def beginning(
    notes: list[tuple[Fraction, int | None, Fraction]], half: Fraction
) -> list[tuple[Fraction, int | None, Fraction]]:
    return [note for note in notes if note[0] < half]


def test_the_last_bar_comes_back_only_from_one_that_ends_on_the_tonic() -> None:
    plan = Plan(steering=Steering(tonic=0, bars=8), form=".......4")
    on_tonic = free = endings = 0
    for melody in write([plan] * 400):
        *_, (_, pitch, _) = last = notes_of(melody, 7)
        assert pitch is not None
        assert pitch % 12 == 0
        *_, (start, pitch, quarters) = source = notes_of(melody, 3)
        if any(pitch is None for _, pitch, _ in source):
            continue  # no rest may stand in a last bar
        ends_on_tonic = pitch is not None and pitch % 12 == 0
        if ends_on_tonic and quarters >= 1:
            # The last note is the nearest tonic, whatever it was before.
            assert last[:-1] == source[:-1]
            on_tonic += 1
        elif not ends_on_tonic and last[:1] == source[:1] and start >= 2:
            # Of its second half, notes that leave time for a last one of a quarter.
            second = [note for note in source if note[0] >= 2 and note[0] + note[2] <= 3]
            endings, free = endings + bool(second), free + (bool(second) and second[0] not in last)
    assert on_tonic > 5
    assert free > 0.5 * endings > 5, "of another one only the beginning"


def test_bars_that_come_back_are_no_choices_and_count_nothing() -> None:
    written = write_all([Plan(steering=Steering(tonic=0, bars=6), form=".1...1")] * 20)

    for melody, steps in zip(written.melodies, written.steps_B, strict=True):
        chosen = sum(len(notes_of(melody, number)) for number in (0, 2, 3, 4))
        last = len(notes_of(melody, 5))
        assert 2 * chosen <= steps <= 2 * (chosen + last)


def test_given_notes_go_before_the_form() -> None:
    primer = tuple(Note(pitch, Fraction(1)) for pitch in (60, 62, 64, 65) * 2)
    written = write_all([Plan(steering=Steering(tonic=0, bars=6, primer=primer), form=".a..4d")] * 20)

    for melody in written.melodies:
        assert melody.notes[:8] == primer
        assert notes_of(melody, 4) == notes_of(melody, 0), "a bar of the primer comes back"
    assert not written.relaxed_B4.any()


def test_where_bars_are_given_no_form_is_drawn() -> None:
    usual = Steering(bars=8)
    asked = {
        "usual": Plan(steering=usual),
        "phrase": Plan(steering=Steering(bars=4)),
        "chords": Plan(steering=Steering(bars=8, chords="C F G C")),
        "kept notes": Plan(steering=usual, anchors=((0, 60),)),
        "bare": Plan(steering=usual, is_free=True),
        "locked": Plan(steering=Steering(bars=8, locked_bars=((3, (Note(60, Fraction(4)),)),))),
    }

    assert [name for name, plan in asked.items() if plan.takes_form] == ["usual"]


def test_a_form_is_told_in_words() -> None:
    assert in_words("....44d.") == "Bars 5–6 are bars 1–2 again, and bar 7 begins like bar 3"
    assert in_words(".1..dd") == "Bar 2 is bar 1 again, and bars 5–6 begin like bars 1–2"
    assert in_words("....") == ""


@pytest.mark.django_db
@pytest.mark.usefixtures("composer_version")
def test_a_pieces_page_tells_its_form(client: Client, as_alice: APIClient, alice: Account) -> None:
    made = as_alice.post("/api/v1/pieces/", {"steering": {"style": "jig", "bars": 8}, "seed": 3}).json()
    compose_commission(made["id"])
    piece = Piece.objects.get()
    client.force_login(alice)

    def shown(form: str) -> str:
        Piece.objects.update(recipe=piece.recipe | {"figures": {"form": form}})
        return client.get(f"/tracks/{piece.track_id}/").content.decode()

    assert "Bars 5–6 are bars 1–2 again, and bar 7 begins like bar 3." in shown("....44d.")
    assert "Bars 5" not in shown("........")


def test_a_gamut_is_drawn_as_often_as_tunes_of_style_and_mode_use_it() -> None:
    pentatonic = tune((60, 62, 64, 67, 69, 67, 64, 62))
    gamuts = Gamuts.measure([("song", pentatonic)] * 30 + [("song", tune(A))] * 10 + [("dance", tune(A))] * 5)

    assert gamut_of(pentatonic) == {0, 2, 4, 7, 9}
    assert gamut_of(tune((61, 62, 66, 71))) == {0, 2, 11}, "of its scale, and the tonic"
    drawn = [gamuts.draw("song", "major", seed) for seed in range(400)]
    assert set(drawn) == {gamut_of(pentatonic), gamut_of(tune(A))}
    assert np.mean([gamut == gamut_of(pentatonic) for gamut in drawn]) == pytest.approx(0.75, abs=0.07)
    assert gamuts.draw("dance", "major", 1) is not None, "of all styles"
    assert gamuts.draw("song", "dorian", 1) is None


def test_a_piece_keeps_to_its_gamut() -> None:
    plan = Plan(steering=Steering(tonic=2, bars=8), gamut=frozenset({0, 4, 7, 9}))

    heard = {(note.pitch - 2) % 12 for melody in write([plan] * 10) for note in melody.notes if note.pitch is not None}

    assert heard == {0, 4, 7, 9}


def test_what_is_drawn_leaves_room_and_is_left_to_a_primer() -> None:
    policy = ComposerPolicy(
        kind="prior",
        writer=Writer(prior=Prior(hidden=8)),
        styles=("song",),
        prior_sha256="",
        forms=Forms({"song": {"....4444": 40}}),
        gamuts=Gamuts({"major song": {"0,2,4,7,9": 40}, "minor song": {"0,7": 40}}),
    )
    asked = {
        "usual": Steering(style="song", bars=8),
        "primer": Steering(style="song", bars=8, primer=(Note(60, Fraction(1)),)),
        "phrase": Steering(style="song", bars=4),
        "two notes in the range": Steering(style="song", mode="minor", bars=8, lowest=60, highest=72),
    }

    plans = policy.plan([Plan(steering=steering) for steering in asked.values()], range(4), np.zeros((4, TASTES)))

    assert [plan.form for plan in plans] == ["....4444", "....4444", None, "....4444"]
    assert [plan.gamut for plan in plans] == [{0, 2, 4, 7, 9}, None, None, None]
    assert policy.plan([Plan(steering=asked["usual"], form="")], [1], np.zeros((1, TASTES)))[0].gamut is None
