"""Runs the whole of pettycash on one machine: embedded servers, our processes, a mailbox.

Production runs the same processes as separate services (docker-compose.yml); nothing above or
below this room knows which of the two it is.
"""
