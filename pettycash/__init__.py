"""Petty cash, from a requisition to a reconciled payment."""
