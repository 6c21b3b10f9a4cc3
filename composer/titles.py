"""Names pieces so that a musician smiles; the same seed gives the same name. Before: composing.py. After: tracks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.melody_tasks import MelodyTask

_OWNERS = (
    "Miss Metronome", "Old Rosin", "The Deaf Piper", "Captain Capo", "Aunt Anacrusis", "Lady Ligature", "Uncle Ostinato",
    "The Second Fiddle", "Granny Glissando", "Father Fermata", "The Page Turner", "Mad Maggie Minor", "Doctor Downbeat",
    "The Tuner", "Little Leading Tone", "The Left-Handed Cellist", "Peggy Pizzicato", "Big Ben Bourdon",
)  # fmt: skip
_LOVES = ("Delight", "Favourite", "Fancy", "Frolic", "Lament", "Return", "Revenge", "Second Thought", "Secret", "Sigh")
_PLACES = (
    "Bar Nine", "the Double Bar", "the Coda", "the Wrong Repeat", "the Tuning Fork", "the Last Fermata", "the Lost Capo",
    "the Broken Reed", "the Borrowed Bow", "the Empty Rosin Tin", "the Half-Open Hi-Hat", "the Mirror Canon", "Ledger Lane",
    "the Circle of Fifths", "the Deceptive Cadence", "the Squeaky Pedal", "Upbow Hill", "the Missing Bridge",
)  # fmt: skip
_DEEDS = (
    "Mind", "Round", "Over", "Beyond", "A Stroll to", "The Road to", "Lost at", "Farewell to", "The Lights of", "Home by",
)  # fmt: skip
_TEMPERS = {
    "major": ("Cheerful", "Sunlit", "Well-Tempered", "Unashamed", "Freshly Rosined", "Bright"),
    "minor": ("Moonlit", "Melancholy", "Brooding", "Rain-Soaked", "Wistful", "Unresolved"),
}
_THINGS = (
    "Appoggiatura", "Hemiola", "Grace Note", "Semiquaver", "Tritone", "Neighbour Note", "Open String", "Suspension",
    "Passing Note", "Dotted Rhythm", "Enharmonic", "Drone", "Turnaround", "Off-Beat", "Leading Note", "Tenuto",
)  # fmt: skip
_SHAPES = {
    "chorale": ("O {thing}, Thou {temper}", "Now Rests the {temper} {thing}", "Awake, My {thing}"),
    "waltz": ("{owner}'s Waltz", "The {temper} {thing} Waltz", "Three Steps to {place}"),
    "march": ("The {temper} {thing} on Parade", "March Past {place}", "{owner}'s March"),
    "air": ("{owner}'s {love}", "Air for a {temper} {thing}", "{deed} {place}"),
}
_ANY_SHAPE = ("{owner}'s {love}", "The {temper} {thing}", "{deed} {place}", "{owner} at {place}", "The {thing} and the {other}")


def title_of(*, seed: int, style: str, mode: str, parent_title: str = "") -> str:
    """A name for a piece. A variation keeps its parent's name in its own."""
    chance = random.Random(f"{seed} {style} {mode}")
    if parent_title:
        base = parent_title.split(", ")[0]
        return (
            f"{base}, {chance.choice(('Another Way', 'Reconsidered', 'Revisited', 'Turned Over', 'after Supper', 'Da Capo'))}"[
                :200
            ]
        )
    tempers = _TEMPERS["major" if mode in ("major", "lydian", "mixolydian") else "minor"]
    thing, other = chance.sample(_THINGS, 2)
    shape = chance.choice(_SHAPES.get(style, ()) + _ANY_SHAPE)
    title = shape.format(
        owner=chance.choice(_OWNERS),
        love=chance.choice(_LOVES),
        place=chance.choice(_PLACES),
        deed=chance.choice(_DEEDS),
        temper=chance.choice(tempers),
        thing=thing,
        other=other,
    )
    return title[0].upper() + title[1:]


def title_of_task(task: MelodyTask, *, seed: int) -> str:
    """A name for what became of a melody: the melody's own, and what was done."""
    base = task.source_title.split(", ")[0] or "A Melody"
    if task.kind in ("vary", "rewrite"):
        return title_of(seed=seed, style=task.source_style, mode=task.melody.mode, parent_title=base)
    words = {
        "continue": "Continued",
        "accompany": _TEXTURES.get(task.texture, task.texture.title()),
        "transfer": f"as {'an' if task.style[:1] in 'aeiou' else 'a'} {task.style.title()}",
    }
    return f"{base[:150]}, {words[task.kind]}"


_TEXTURES = {
    "voices": "in Four Voices",
    "block": "with Chords",
    "arpeggio": "with Arpeggios",
    "alberti": "with an Alberti Bass",
    "waltz": "with a Waltz Bass",
    "boom-chuck": "with Boom-Chuck",
    "drone": "with a Drone",
}
