"""The rails' adapters: they speak to providers, never to the database."""
