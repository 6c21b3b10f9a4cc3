"""Commands of the composer."""
