"""Commands that check and reconcile the books."""
