"""Operations of people, their roles and units, and of API keys."""
