"""A melody gets chords, then four voices or a pattern. Before: melody_tasks.py. After: Score, exports."""
