"""Requisitions, decisions on them and their attachments over HTTP."""
