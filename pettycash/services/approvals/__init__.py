"""Thresholds, who must approve, in which order, and what they decided."""
