"""One value as text, in a cell of CSV or on the command line, as the type that the model takes."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from models.errors import InvalidRequest

WORDS = {"F": "a number", "I": "an integer", "U": "an integer", "B": "true or false"}
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Columns:
    """The features of a model, in order, and their datatypes; `names` is empty where they have none."""

    names: tuple[str, ...]
    datatypes: tuple[str, ...]

    def typed(self) -> Iterator[tuple[str, str]]:
        """Name and datatype of each."""
        return zip(self.names, self.datatypes, strict=True)


def cell_value(text: str, datatype: str, place: str, column: str) -> Any:
    """What `text` says; None, a missing value, if it is empty.

    Raises:
        InvalidRequest: it says nothing of that type.
    """
    if datatype == "BYTES":
        return text or None
    text = text.strip()
    if not text:
        return None
    try:
        return _plain(text, datatype)
    except (ValueError, KeyError, OverflowError):
        kind = WORDS.get(datatype[:1], datatype)
        words = f"{place}: {column!r}: expected {kind}, got {text[:64]!r}; an empty cell is a missing value"
        raise InvalidRequest(words) from None


def _plain(text: str, datatype: str) -> Any:
    if "_" in text or not text.isascii():  # which Python would read as numbers
        raise ValueError(text)
    if datatype.startswith("FP"):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value
    return BOOLEANS[text.lower()] if datatype == "BOOL" else int(text)


def row_of(text: str, columns: Columns, place: str) -> bytes:
    """The JSON of a row as the command line has it: `1,2,3`, or `name=1,other=2` in any order.

    Raises:
        InvalidRequest: it is neither, or a value does not fit.
    """
    (cells,) = list(csv.reader([text])) or [[]]
    datatypes = dict(columns.typed()) if columns.names else {}
    named = [cell.partition("=") for cell in cells]
    if all(mark for _, mark, _ in named):
        return _encoded({name.strip(): (name.strip(), value) for name, _, value in named}, datatypes, place)
    if any(mark and name.strip() in datatypes for name, mark, _ in named):
        raise InvalidRequest(f"{place}: either all values have names, as in 'length=1,width=2', or none")
    known = columns.datatypes if len(columns.datatypes) == len(cells) else ("FP32",) * len(cells)
    names = (
        columns.names if len(columns.names) == len(cells) else tuple(f"value {at}" for at in range(1, len(cells) + 1))
    )
    return msgspec.json.encode(
        [cell_value(cell, kind, place, name) for cell, kind, name in zip(cells, known, names, strict=True)]
    )


def _encoded(given: dict[str, tuple[str, str]], datatypes: dict[str, str], place: str) -> bytes:
    values = {name: cell_value(text, datatypes.get(name, "BYTES"), place, name) for name, text in given.values()}
    return msgspec.json.encode(values)


def column_at(columns: Columns, index: int) -> str:
    """A name for what stands at `index` of a row."""
    names: Sequence[str] = columns.names
    return repr(names[index]) if index < len(names) else f"value {index + 1}"
