"""The demo: one requisition from its draft to the proof, as a client sees it."""
