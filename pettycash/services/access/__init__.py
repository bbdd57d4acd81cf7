"""People, units and keys: who is let in, as what, and how they sign in."""
