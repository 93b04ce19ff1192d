"""HTML and SVG as text in which everything from outside is escaped: what is `Safe` was made here."""

from html import escape
from typing import NewType

Safe = NewType("Safe", str)

VOID = frozenset({"meta"})


def text(words: object) -> Safe:
    """`words`, escaped."""
    return Safe(escape(str(words)))


def element(name: str, /, *children: Safe, **attributes: object) -> Safe:
    """One element; `class_` is its class, `stroke_width` its stroke-width. An attribute that is None is left out."""
    given = "".join(
        f' {key.strip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Safe(f"<{name}{given}>" if name in VOID else f"<{name}{given}>{''.join(children)}</{name}>")


def _plain(value: object) -> str:
    """A coordinate needs no more than a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
