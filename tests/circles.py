"""What only the garbage collector finds: errors that hold themselves, by what the frames hold that they came through.

Of whoever is refused nothing else is left. If that is in circles, collections of it hold up everybody in an overload.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_errors_in_circles() -> Iterator[None]:
    """See that none is left of what happens meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [repr(one) for one in gc.garbage if isinstance(one, BaseException)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left
