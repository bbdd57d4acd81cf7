"""Operations over all domains: what waits for somebody, and what they may do."""
