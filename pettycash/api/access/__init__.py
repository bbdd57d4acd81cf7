"""People, units, keys and sign-ins over HTTP."""
