"""Operations of approvals: the thresholds, and what waits for somebody."""
