"""What the business does. A service never commits: the entrance owns the transaction."""
