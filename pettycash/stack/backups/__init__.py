"""Backups: one file with one consistent dump and what it must add up to; restoring and drilling.

programs    pg_dump and pg_restore that fit a server
facts       what a database adds up to, and whether another one equals it
container   the file: a tar, encrypted to a recipient where one is named
making      a backup
restoring   into an empty database, with everything paused
drill       into a server that is thrown away
"""
