"""Template tags of `composer`."""
