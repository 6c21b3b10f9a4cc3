"""Commands of `recsys`."""
