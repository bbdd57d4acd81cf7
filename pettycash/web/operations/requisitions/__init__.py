"""Operations of requisitions: raised, decided, validated, reviewed."""
