"""The rails' own wire protocols as servers: each with a ledger of money moved, and with faults.

A simulator judges pettycash, so it imports nothing else of it.
"""
