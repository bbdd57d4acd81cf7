"""Commands of whoever develops: tests, seeds, demo, bench, chaos."""
