"""One table of TOML into one struct, key by key, so that every mistake is found and each is named by its place.

msgspec stops at the first mistake, and its paths leave out the keys of dictionaries: `$[...]`.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

LONGEST = 60  # more of a value says nothing about what is wrong with it

_PLAIN: dict[Any, str] = {bool: "true or false", str: "a string", int: "an integer", float: "a number"}

NO_OTHERS: Mapping[str, str] = MappingProxyType({})

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with `key` of `[table]`; `origin` is the file or option that says it; any may be empty."""

    table: str
    key: str
    text: str
    origin: str = ""

    def is_within(self, other: "Mistake") -> bool:
        """Whether it is about a part of the value that `other` is about."""
        return self.table == other.table and self.key.startswith((f"{other.key}.", f"{other.key}["))

    def __str__(self) -> str:
        place = " ".join(part for part in (self.table and f"[{self.table}]", self.key) if part)
        return ": ".join(part for part in (self.origin, place, self.text) if part)


class Reading:
    """Reads tables and gathers their `mistakes`."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def wrong(self, table: str, key: str, text: str) -> None:
        self.mistakes.append(Mistake(table, key, text))

    def struct(self, raw: Any, shape: type[S], table: str, *, other: Mapping[str, str] = NO_OTHERS) -> S | None:
        """`raw` as `shape`, with the default for each key that is wrong; None if one that has no default is missing.

        What belongs only to `other` shapes is refused with the words that are there.
        """
        values = self.values(raw, shape, table, other=other)
        required = [field.name for field in msgspec.structs.fields(shape) if field.required]
        return shape(**values) if all(name in values for name in required) else None

    def values(
        self, raw: Any, shape: type[msgspec.Struct], table: str, *, other: Mapping[str, str] = NO_OTHERS
    ) -> dict[str, Any]:
        """What is right in `raw`."""
        if not isinstance(raw, dict):
            self.wrong(table, "", f"expected a table, got {shown(raw)}")
            return {}
        fields = {field.name: field for field in msgspec.structs.fields(shape)}
        values: dict[str, Any] = {}
        for key, value in raw.items():
            if key not in fields:
                near = did_you_mean(key, {*fields, *other})
                self.wrong(table, shown_key(key), other.get(key, f"unknown key{near}"))
            elif (fits := self.value(value, fields[key].type, table, key)) is not None:
                values[key] = fits
        for key in fields:
            if fields[key].required and key not in raw:
                self.wrong(table, key, f"missing; expected {expected(fields[key].type)}")
        return values

    def value(self, value: Any, kind: Any, table: str, key: str, *, strict: bool = True) -> Any:
        """`value` as `kind`, None if it does not fit; unless `strict`, strings are read as numbers and booleans."""
        any_of, kind = kind, _choice(kind, value)
        if _is_struct(kind):
            return self.struct(value, kind, f"{table}.{key}" if table else key)
        container, before = get_origin(kind), len(self.mistakes)
        if container is dict and isinstance(value, dict):
            (_, of), read = get_args(kind), {}
            for name, item in value.items():
                read[name] = self.value(item, of, table, f"{key}.{shown_key(name)}")
            return {name: item for name, item in read.items() if item is not None}
        if container is tuple and isinstance(value, list):
            items = [self.value(v, get_args(kind)[0], table, f"{key}[{at}]") for at, v in enumerate(value)]
            return tuple(items) if len(self.mistakes) == before else None
        try:
            return msgspec.convert(value, kind, strict=strict)
        except msgspec.ValidationError:
            self.wrong(table, key, f"expected {expected(any_of)}, got {shown(value)}{_near_choice(value, kind)}")
            return None


def expected(kind: Any) -> str:
    """`kind` in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(expected, choices(kind))))
    if origin is Annotated:
        return next(str(meta.description) for meta in arguments[1:] if isinstance(meta, msgspec.Meta))
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is tuple:
        return "a list"
    return "a table" if origin is dict or _is_struct(kind) else _PLAIN[kind]


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`; did you mean 'forest'?`, or nothing."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """The words for a `name` that is not among the `known`."""
    listed = ", ".join(map(shown_key, list(known)[:12])) or "none"
    return f"unknown {kind} {shown(name)}" + (did_you_mean(name, known) or f"; there are: {listed}")


def shown(value: Any) -> str:
    """`value`, in one line that is not too long."""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def shown_key(key: str) -> str:
    """A key as TOML has it: quoted where it must be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else msgspec.json.encode(key[:LONGEST]).decode()


def choices(kind: Any) -> list[Any]:
    """What a value of `kind` may be; TOML has no null."""
    if get_origin(kind) not in (Union, UnionType):
        return [kind]
    return [choice for choice in get_args(kind) if choice is not NoneType]


def _choice(kind: Any, value: Any) -> Any:
    """The one of several kinds that `value` looks like."""
    first, *others = choices(kind)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return next((choice for choice in (first, *others) if choice in (int, float)), first)
    wanted = tuple if isinstance(value, list) else dict if isinstance(value, dict) else None
    for choice in (first, *others) if wanted else ():
        if get_origin(choice) is wanted or (wanted is dict and _is_struct(choice)):
            return choice
    return first


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _near_choice(value: Any, kind: Any) -> str:
    return did_you_mean(value, get_args(kind)) if get_origin(kind) is Literal and isinstance(value, str) else ""
