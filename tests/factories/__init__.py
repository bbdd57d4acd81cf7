"""Makers of what tests need, over the real services and the seeded organisation."""
