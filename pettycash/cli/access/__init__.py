"""Commands about companies, people, keys and the security log."""
