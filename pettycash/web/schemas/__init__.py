"""Shapes of requests and answers, no rules."""
