"""What reads every domain and is read by none: offers, work."""
