"""`manage.py compose`: one piece, composed here and now. Before: a trained composer. After: the listener's pieces, a file."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Listener
from composer.composing import (
    CantCompose,
    CommissionRefused,
    commission,
    compose_commission,
)
from composer.models import Commission
from composer.steering import GRADED, ImpossibleSteering, Steering
from music.notes import Score


class Command(BaseCommand):
    """Commissions a piece and composes it in this process instead of a worker."""

    help = "Composes a piece for a listener and writes it to a file (.mid, .abc, .musicxml, .opus, .mp3 or .wav)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The fields of a steering that people type."""
        parser.add_argument("--listener", required=True, metavar="EMAIL", help="e-mail address, or an integrator's external id")
        parser.add_argument("--style", default="reel")
        parser.add_argument("--tonic", type=int, help="0 … 11, C = 0")
        parser.add_argument("--mode")
        parser.add_argument("--chords", help='for example "Am F | C G"')
        parser.add_argument("--metre", help="for example 6/8")
        parser.add_argument("--bars", type=int)
        parser.add_argument("--tempo", type=float, help="quarter notes per minute")
        for name in (*GRADED, "taste_strength"):
            parser.add_argument(f"--{name.replace('_', '-')}", type=float, help="0 … 1")
        parser.add_argument("--seed", type=int)
        parser.add_argument("--out", type=Path, help="the file to write; its suffix says the format")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints the track's id and title."""
        listener = _find_listener(options["listener"])
        names = ("style", "tonic", "mode", "chords", "metre", "bars", "tempo", *GRADED, "taste_strength")
        wish = {name: options[name] for name in names if options[name] is not None}
        try:
            made = commission(listener, Steering.from_json(wish), seed=options["seed"])
        except (ImpossibleSteering, CommissionRefused, CantCompose) as refusal:
            raise CommandError(str(refusal)) from None
        compose_commission(made.pk)
        made = Commission.objects.select_related("piece__track").get(pk=made.pk)
        if made.piece is None:
            raise CommandError(made.error or "another worker is composing it")
        track = made.piece.track
        if options["out"]:
            options["out"].write_bytes(_packed(Score.from_json(track.score), options["out"].suffix.lower()))
        self.stdout.write(f"track {track.pk}: {track.title}")


def _find_listener(name: str) -> Listener:
    found = Listener.objects.filter(account__email=name.lower()).first() or Listener.objects.filter(external_id=name).first()
    if found is None:
        raise CommandError(f"there is no listener {name!r}")
    return found


def _packed(score: Score, suffix: str) -> bytes:
    from music.abc import write_abc
    from music.audio import FORMATS, render
    from music.midi import write_midi
    from music.musicxml import write_musicxml

    if suffix in (".mid", ".midi"):
        return write_midi(score)
    if suffix == ".abc":
        return write_abc(score).encode()
    if suffix in (".musicxml", ".xml"):
        return write_musicxml(score)
    if suffix.removeprefix(".") in FORMATS:
        return render(score, suffix.removeprefix("."))
    raise CommandError(f"--out ends with {suffix!r}; it must end with .mid, .abc, .musicxml, .opus, .mp3 or .wav")
