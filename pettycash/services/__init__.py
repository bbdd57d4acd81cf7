"""Services: verbs of the business. A service never commits: the entrance owns the transaction."""
