"""Who is asking: accounts, listeners, roles, tokens, privacy."""
