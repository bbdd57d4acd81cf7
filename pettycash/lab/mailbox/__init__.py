"""The development mailbox: mail arrives by real SMTP and is read on a page, as JSON, or as files.

It shows one-time codes to whoever can open it; so it listens on loopback, answers only to
loopback names, and is refused in production together with the simulators.
"""
