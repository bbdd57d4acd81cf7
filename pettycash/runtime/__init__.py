"""Small words, and what every process stands on; imports no other room."""
