"""Operations of payments: made, released, asked about, reconciled; and of cases about money."""
