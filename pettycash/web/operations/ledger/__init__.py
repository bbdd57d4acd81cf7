"""Operations of the books."""
