"""Funds with a fixed float: stores, custodians, limits, replenishments, variances."""
