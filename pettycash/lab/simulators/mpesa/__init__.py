"""A server that speaks Safaricom's M-Pesa Daraja: token, B2C v3 payment, transaction status.

It keeps its own ledger of money moved and misbehaves on request; README.md beside this file has
the scenarios and the test numbers.
"""
