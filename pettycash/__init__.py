"""Petty cash, from a requisition to a reconciled payment."""

import atexit
import gc

# A third of what a start costs went into looking, again and again, through what is being loaded and
# stays, and once more at the end.
gc.set_threshold(50_000, 20, 50)
atexit.register(gc.freeze)
