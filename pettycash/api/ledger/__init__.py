"""The books and their periods over HTTP."""
