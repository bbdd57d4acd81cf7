"""The books: entries, accounts, posting rules, periods, and what is read of them."""
