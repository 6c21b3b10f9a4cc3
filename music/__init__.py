"""Notes and scores: parsing, features, MIDI, notation, audio. Pure Python; knows no Django, no torch."""
