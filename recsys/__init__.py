"""Catalogue → recommendation → feedback → learning → recommendation; taste."""
