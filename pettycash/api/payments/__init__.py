"""Payments, what is known of them, and the rails' callbacks over HTTP."""
