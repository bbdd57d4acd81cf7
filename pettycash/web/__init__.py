"""All that entrances over HTTP share: the door, limits, keys, versions, problems, shapes of what
is taken and answered, and `operations`, which they call."""
