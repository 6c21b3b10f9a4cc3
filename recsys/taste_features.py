"""How each feature is called to people and scaled for taste. Before: music.features. After: taste.py.

Centre and spread are mean and standard deviation over 540 tunes, spread evenly over the six starter collections. They are
constants, so that a taste vector in an old recipe means the same for ever; spreads below 0.05 are raised to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """One feature of `music.features.NAMES`."""

    words: str
    """What a listener may like or dislike about it, as in “you like …”."""
    centre: float
    spread: float


SCALES: dict[str, Scale] = {
    "time_share_0_semitones_above_tonic": Scale("the tonic", 0.240, 0.078),
    "time_share_1_semitones_above_tonic": Scale("the flattened second", 0.001, 0.050),
    "time_share_2_semitones_above_tonic": Scale("the second of the scale", 0.142, 0.062),
    "time_share_3_semitones_above_tonic": Scale("the minor third", 0.028, 0.069),
    "time_share_4_semitones_above_tonic": Scale("the major third", 0.143, 0.090),
    "time_share_5_semitones_above_tonic": Scale("the fourth", 0.094, 0.060),
    "time_share_6_semitones_above_tonic": Scale("the tritone", 0.003, 0.050),
    "time_share_7_semitones_above_tonic": Scale("the fifth", 0.183, 0.072),
    "time_share_8_semitones_above_tonic": Scale("the minor sixth", 0.008, 0.050),
    "time_share_9_semitones_above_tonic": Scale("the major sixth", 0.078, 0.060),
    "time_share_10_semitones_above_tonic": Scale("the flattened seventh", 0.023, 0.050),
    "time_share_11_semitones_above_tonic": Scale("the leading tone", 0.057, 0.052),
    "is_major": Scale("major keys", 0.783, 0.412),
    "is_minor": Scale("minor keys", 0.169, 0.374),
    "is_dorian": Scale("the Dorian mode", 0.009, 0.096),
    "is_mixolydian": Scale("the Mixolydian mode", 0.035, 0.184),
    "is_other_mode": Scale("rarer modes", 0.004, 0.061),
    "is_duple_metre": Scale("duple metres", 0.326, 0.469),
    "is_triple_metre": Scale("triple metres", 0.131, 0.338),
    "is_quadruple_metre": Scale("quadruple metres", 0.306, 0.461),
    "is_compound_metre": Scale("compound metres such as 6/8", 0.237, 0.425),
    "has_pickup": Scale("a pickup", 0.683, 0.465),
    "tempo_quarters_per_minute_over_240": Scale("a fast beat", 0.597, 0.138),
    "notes_per_second_over_8": Scale("many notes per second", 0.531, 0.294),
    "notes_per_quarter_over_4": Scale("many notes per beat", 0.433, 0.186),
    "length_in_64_bars": Scale("long tunes", 0.253, 0.104),
    "mean_pitch_midi_36_to_96": Scale("high pitch", 0.593, 0.050),
    "range_over_36_semitones": Scale("a wide range", 0.432, 0.116),
    "mean_interval_over_8_semitones": Scale("wide intervals", 0.308, 0.077),
    "share_of_repeated_pitches": Scale("repeated notes", 0.130, 0.098),
    "share_of_steps": Scale("stepwise motion", 0.533, 0.157),
    "share_of_thirds": Scale("thirds", 0.211, 0.115),
    "share_of_leaps": Scale("leaps", 0.126, 0.078),
    "share_of_rising_intervals": Scale("rising lines", 0.473, 0.057),
    "share_of_turns": Scale("changes of direction", 0.493, 0.095),
    "share_of_off_beat_notes": Scale("notes off the beat", 0.472, 0.248),
    "share_of_syncopated_notes": Scale("syncopation", 0.012, 0.050),
    "share_of_dotted_notes": Scale("dotted rhythms", 0.064, 0.092),
    "share_of_triplet_notes": Scale("triplets", 0.018, 0.058),
    "rest_time_share": Scale("rests", 0.014, 0.050),
    "pitch_class_entropy_over_log2_12": Scale("varied pitches", 0.724, 0.053),
    "interval_entropy_over_log2_25": Scale("varied intervals", 0.665, 0.078),
    "duration_entropy_over_3_bits": Scale("varied note lengths", 0.392, 0.173),
    "share_of_repeated_bars": Scale("repeated bars", 0.223, 0.153),
    "share_of_bars_with_repeated_rhythm": Scale("one rhythm kept up", 0.615, 0.198),
    "share_of_bars_repeated_with_changed_ending": Scale("phrases repeated with a changed ending", 0.124, 0.111),
    "place_of_highest_note": Scale("a late climax", 0.407, 0.255),
    "time_share_off_scale": Scale("chromatic notes", 0.015, 0.050),
    "ends_on_tonic": Scale("an ending on the tonic", 0.781, 0.413),
}
"""By name. A feature that came later is not listed here gets UNKNOWN."""
UNKNOWN = Scale("", 0.5, 0.25)


def scale_of(name: str) -> Scale:
    """The scale of a feature; its name, read as words, where nobody wrote better ones."""
    return SCALES.get(name) or Scale(name.replace("_", " "), UNKNOWN.centre, UNKNOWN.spread)
