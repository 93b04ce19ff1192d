"""Rows to try a model with, from a CSV file with a header: columns by name, and the truth in `label` or `target`."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.errors import RegistryError
from models.names import no_such
from models.rows import inputs_of, width_of
from models.types import Array, Signature, TensorSpec

TRUTH = ("label", "target")
MISSING = frozenset({"", "na", "nan", "null", "none"})
MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class CsvRows:
    """`cells` (n, f) as they stand in the file, by the names in its header; `truth` (n,) where there is one."""

    file: str
    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    truth: tuple[str, ...] | None

    def has_numbers(self, name: str) -> bool:
        """Whether every value of a column is a number, or missing."""
        at = self.names.index(name)
        return all(_number(row[at]) is not None for row in self.cells)

    def inputs(self, specs: Sequence[TensorSpec]) -> dict[str, Array]:
        """The inputs that `specs` ask for: by the names of the features, or in order where they have none."""
        wanted = [feature for spec in specs for feature in (spec.features or ("",) * width_of(spec))]
        if all(wanted):
            places = [self._place(name) for name in wanted]
        else:
            places = list(range(len(self.names)))
            if len(places) != len(wanted):
                raise RegistryError(f"{self.file}: {len(places)} columns, the model takes {len(wanted)}")
        columns = [spec for spec in specs for _ in range(width_of(spec))]
        rows = [
            [self._cell(line, at, spec) for at, spec in zip(places, columns, strict=True)]
            for line in range(len(self.cells))
        ]
        return inputs_of(rows, specs)

    def targets(self, signature: Signature) -> Array | None:
        """The truth as label indices, or as numbers for a regression."""
        if self.truth is None:
            return None
        return np.array([self._target(line, text, signature) for line, text in enumerate(self.truth)])

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise RegistryError(f"{self.file}: {no_such('column', name, self.names)}")
        return self.names.index(name)

    def _cell(self, line: int, at: int, spec: TensorSpec) -> Any:
        text = self.cells[line][at]
        if spec.datatype == "BYTES":
            return text
        value = _number(text)
        if value is None or (spec.dtype.kind != "f" and not value.is_integer()):
            raise self._wrong(line, f"{self.names[at]}: expected {spec.datatype}, got {text[:40]!r}")
        if math.isnan(value) and not spec.nullable:
            raise self._wrong(line, f"{self.names[at]}: a value is missing; if the model allows that, say --nullable")
        return value if spec.dtype.kind == "f" else int(value)

    def _target(self, line: int, text: str, signature: Signature) -> float:
        if signature.labels:
            if text not in signature.labels:
                raise self._wrong(line, no_such("label", text[:40], signature.labels))
            return signature.labels.index(text)
        value = _number(text)
        if value is None or not math.isfinite(value):
            raise self._wrong(line, f"expected a number, got {text[:40]!r}")
        return value

    def _wrong(self, line: int, text: str) -> RegistryError:
        return RegistryError(f"{self.file}: row {line + 1}: {text}")


def read_csv(file: str, contents: bytes) -> CsvRows:
    """The rows in a file.

    Raises:
        RegistryError: it is no CSV with a header and at least one row, all of the same length.
    """
    try:
        lines = [
            line for line in csv.reader(io.StringIO(contents.decode("utf-8-sig"), newline=""), strict=True) if line
        ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RegistryError(f"{file}: not CSV: {error}") from error
    if not 2 <= len(lines) <= MAX_ROWS + 1:
        raise RegistryError(f"{file}: expected a header and 1 to {MAX_ROWS} rows, got {len(lines)} lines")
    header, *rows = lines
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise RegistryError(f"{file}: row {number + 1}: {len(row)} values, but {len(header)} columns")
    truth = next((name for name in TRUTH if name in header), None)
    return _parted(file, header, rows, truth)


def _parted(file: str, header: list[str], rows: list[list[str]], truth: str | None) -> CsvRows:
    keep = [at for at, name in enumerate(header) if name != truth]
    cells = tuple(tuple(row[at] for at in keep) for row in rows)
    told = None if truth is None else tuple(row[header.index(truth)] for row in rows)
    return CsvRows(file, tuple(header[at] for at in keep), cells, told)


def _number(text: str) -> float | None:
    """NaN where it is missing, None where it is no number."""
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return None
