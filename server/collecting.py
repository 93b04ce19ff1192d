"""How Python's garbage collector is set in a process that serves."""

import gc

THRESHOLDS = (50_000, 20, 100)


def settle() -> None:
    """What is there now stays. What requests leave behind are no circles, so they are looked for rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
