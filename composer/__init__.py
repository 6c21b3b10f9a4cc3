"""Catalogue melodies → prior → DQN → piece."""
