"""Operations of funds, their replenishments and variances."""
