"""What a scenario finds: figures beside their targets.

What is *counted* holds on any machine, however busy; what is *timed* says something only about a quiet one, and is
never asserted in a test.
"""

from benchmarks.claims import Bound, Claim
from benchmarks.spread import Spread


def counted(what: str, value: float, *, most: float | None = None, least: float | None = None) -> Claim:
    """A number of things."""
    return _claim(what, value, most, least, unit="", exact=True)


def exactly(what: str, value: int, wanted: int) -> Claim:
    """A number of things, of which neither one more nor one less will do."""
    return counted(what, value, most=wanted, least=wanted)


def holds(what: str, *, held: bool) -> Claim:
    """Something that must be so, and is not if its figure is 0."""
    return exactly(what, int(held), 1)


def share(what: str, part: float, whole: float, *, most: float | None = None, least: float | None = None) -> Claim:
    """So many of so many things, in percent; of nothing it is none."""
    return _claim(what, 100 * part / whole if whole else 0.0, most, least, unit=" %", exact=True)


def timed(what: str, ms: float, *, most: float | None = None, least: float | None = None) -> Claim:
    """Milliseconds."""
    return measured(what, ms, most=most, least=least, unit=" ms")


def measured(
    what: str, value: float, *, most: float | None = None, least: float | None = None, unit: str = ""
) -> Claim:
    """Anything that depends on the machine."""
    return _claim(what, value, most, least, unit=unit, exact=False)


def number(what: str, value: int, *, most: int | None = None) -> Claim:
    """A number of things that depends on the machine."""
    return measured(what, value, most=most)


def _claim(what: str, value: float, most: float | None, least: float | None, *, unit: str, exact: bool) -> Claim:
    bound = None if most is None and least is None else Bound(most=most, least=least)
    return Claim(what, Spread((value,)), bound, unit, exact=exact)
