"""The cast and the fixtures that several test packages share."""
