"""Rows from a file, as JSON, JSON lines or CSV, one after the other, each with the line that it stands on.

CSV and JSON lines are read as they come; only a JSON document is held whole.
"""

import csv
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec

from models.errors import InvalidRequest
from models.names import no_such
from server.cells import Columns, cell_value

Format = Literal["csv", "json", "lines"]

SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "lines", ".ndjson": "lines"}
LOOK = 1 << 16  # bytes at the beginning that tell a format
CHUNK_ROWS = 1000
CHUNK_BYTES = 4 << 20  # far below what a server takes


Peekable: TypeAlias = "io.BufferedReader[Any]"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as JSON, a list or an object; `place` says where it stands."""

    place: str
    json: bytes


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent to a server is a file of rows, too."""

    instances: msgspec.Raw


def read_rows(stream: Peekable, name: str, columns: Columns, *, ignore_extra: bool = False) -> Iterator[Row]:
    """The rows of `stream`; the suffix of `name`, or a look, tells the format.

    Raises:
        InvalidRequest: what is no row, with its line.
    """
    kind = SUFFIXES.get(Path(name).suffix.lower()) or format_of(stream.peek(LOOK))
    if kind == "csv":
        rows = _csv(stream, columns, ignore_extra=ignore_extra)
    else:
        rows = _document(stream) if kind == "json" else _lines(stream)
        rows = _without_extra(rows, columns) if ignore_extra else rows
    try:
        yield from rows
    except UnicodeDecodeError as error:
        raise InvalidRequest("not UTF-8") from error


def format_of(beginning: bytes) -> Format:
    """What a file that begins so is written in."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"[", b"{"):
        return "csv"
    if text[:1] == b"[" and text[1:].lstrip()[:1] in (b"[", b"{", b"]"):
        return "json"
    try:
        first = msgspec.json.decode(text.split(b"\n", 1)[0])
    except (msgspec.DecodeError, UnicodeDecodeError):  # it goes on in the next line
        return "json"
    return "json" if isinstance(first, dict) and "instances" in first else "lines"


def chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """`rows` in parts that a server takes at once."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.json)
        if len(chunk) == CHUNK_ROWS or size > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _lines(stream: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        text = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
        if text:
            place = f"line {number}"
            yield Row(place, _checked(text, place))


def _checked(text: bytes, place: str) -> bytes:
    try:
        msgspec.json.decode(text, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{place}: no row, a JSON list or object: {_short(error)}") from error
    return text


def _document(stream: BinaryIO) -> Iterator[Row]:
    whole = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        if whole.lstrip()[:1] == b"{":
            instances: msgspec.Raw | bytes = msgspec.json.decode(whole, type=Document).instances
        else:
            instances = whole
        rows = msgspec.json.decode(instances, type=list[msgspec.Raw])
    except msgspec.ValidationError as error:
        raise InvalidRequest(f'expected a list of rows, or {{"instances": [...]}}: {_short(error)}') from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(_with_line(whole, error)) from error
    at, line = whole.find(b"[") if instances is whole else whole.find(bytes(instances)), 1
    line += whole.count(b"\n", 0, at)
    for number, raw in enumerate(rows, 1):
        text = bytes(raw)
        found = whole.find(text, at + 1)  # between two rows there is nothing but a comma and white space
        line += whole.count(b"\n", at, found)
        yield Row(f"line {line}, row {number}", text)
        line += text.count(b"\n")
        at = found + len(text) - 1


def _with_line(whole: bytes, error: Exception) -> str:
    """msgspec counts bytes; people count lines."""
    try:
        json.loads(whole)
    except json.JSONDecodeError as place:
        return f"line {place.lineno}, column {place.colno}: not JSON: {place.msg.lower()}"
    except (ValueError, RecursionError):
        pass
    return f"not JSON: {_short(error)}"


def _short(error: Exception) -> str:
    return str(error).removeprefix("JSON is malformed: ")[:120]


def _without_extra(rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    """Objects with the known features alone; a list has no names."""
    known = frozenset(columns.names)
    for row in rows:
        if row.json[:1] == b"{":
            values: dict[str, msgspec.Raw] = msgspec.json.decode(row.json, type=dict[str, msgspec.Raw])
            kept = {name: value for name, value in values.items() if name in known}
            yield Row(row.place, msgspec.json.encode(kept))
        else:
            yield row


def _csv(stream: Peekable, columns: Columns, *, ignore_extra: bool) -> Iterator[Row]:
    delimiter = delimiter_of(stream.peek(LOOK))
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        picks = _picks(header, columns, ignore_extra=ignore_extra)
        for cells in reader:
            if not cells:
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(header):
                raise InvalidRequest(f"{place}: {len(cells)} cells, the header has {len(header)}")
            values = [cell_value(cells[at], datatype, place, name) for at, name, datatype in picks]
            yield Row(place, msgspec.json.encode(values))
    except csv.Error as error:
        raise InvalidRequest(f"line {reader.line_num}: {error}") from error
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"after line {reader.line_num}: not UTF-8") from error
    finally:
        if not stream.closed:
            text.detach()  # which is not ours to close


def delimiter_of(beginning: bytes) -> str:
    """What the header's names stand between: commas, semicolons or tabs."""
    header = re.sub(rb'"[^"]*"', b"", beginning.split(b"\n", 1)[0])
    return max((",", ";", "\t"), key=lambda mark: header.count(mark.encode()))


def _picks(header: Sequence[str], columns: Columns, *, ignore_extra: bool) -> list[tuple[int, str, str]]:
    """Where each feature stands: column, name and datatype."""
    if not columns.names:
        raise InvalidRequest(
            "this model's features have no names, so that a header cannot say which is which; use JSON"
        )
    if not header:
        raise InvalidRequest("no header: the first line names the features")
    twice = next((name for at, name in enumerate(header) if name in header[:at]), None)
    if twice is not None:
        raise InvalidRequest(f"line 1: the column {twice!r} is there twice")
    extra = [name for name in header if name not in columns.names]
    missing = [name for name in columns.names if name not in header]
    if len(extra) == len(header):
        raise InvalidRequest(f"line 1: no header: {_listed(extra)}; the first line names the features")
    if missing:
        near = f" ({no_such('feature', extra[0], missing)})" if extra else ""
        raise InvalidRequest(f"line 1: missing columns: {_listed(missing)}{near}")
    if extra and not ignore_extra:
        raise InvalidRequest(f"line 1: columns that are no features: {_listed(extra)}; to go without: --ignore-extra")
    return [(header.index(name), name, datatype) for name, datatype in columns.typed()]


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(repr(name[:64]) for name in itertools.islice(names, 8))
    return f"{few} and {len(names) - 8} more" if len(names) > 8 else few
