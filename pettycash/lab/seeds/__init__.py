"""The demo organisation, its people and its money."""
