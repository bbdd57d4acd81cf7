"""Funds, replenishments and variances over HTTP."""
