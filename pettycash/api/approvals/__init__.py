"""The approver's inbox, thresholds, and conflicts of duties over HTTP."""
