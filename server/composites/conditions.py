"""What a switch decides by: JMESPath (https://jmespath.org) over a row and what the request says beside it.

The document is `{"inputs": {feature: value}, "parameters": {name: value}}`; what is missing is null. Nothing else is
evaluated: JMESPath can neither loop for ever nor call anything of Python's.
"""

import asyncio
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath
import numpy as np
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from backends.routing import Choice
from models.errors import InvalidRequest
from models.names import no_such
from models.types import InferRequest, Scalar, origins_of
from server.composites.routes import Place, column

ROOTS = ("inputs", "parameters")
INNER = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)
"""Kinds of nodes of which only the first child sees the document, the others what that has found."""

AT_ONCE = 100  # rows: about 5 ms of conditions, before others have their turn
FUNCTIONS = frozenset(Functions.FUNCTION_TABLE)

Name = tuple[str, str]
"""`inputs` or `parameters`, and the name in there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression, and the names that it looks at."""

    text: str
    names: tuple[Name, ...]
    expression: Any

    def holds(self, document: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is true, as JMESPath has it: anything but null, false, and what is empty.

        Raises:
            InvalidRequest: it cannot be said, because a function is given what it does not take.
        """
        try:
            said = self.expression.search(document)
        except JMESPathError as error:
            raise InvalidRequest(f"the condition {self.text!r} cannot be decided: {_one_line(error)}") from error
        return said is not None and said is not False and said not in ("", [], {})

    def of(self, root: str) -> list[str]:
        """The names that it looks at there."""
        return [name for there, name in self.names if there == root]


class Cases:
    """The number of the first condition that holds for a row; if none does, the number that follows them all."""

    def __init__(self, conditions: Sequence[Condition], places: Mapping[str, Place]) -> None:
        self._conditions = tuple(conditions)
        self._places = dict(places)

    async def __call__(self, request: InferRequest) -> Choice:
        origins = origins_of(request)
        if not self._places:
            chosen = [self._first((), origin.extra) for origin in origins]
            return chosen[0] if len(chosen) == 1 else np.repeat(chosen, [origin.rows for origin in origins])
        extra = itertools.chain.from_iterable([origin.extra] * origin.rows for origin in origins)
        columns = [column(request, place) for place in self._places.values()]
        chosen = []
        for at, (said, *row) in enumerate(zip(extra, *columns, strict=True), 1):
            chosen.append(self._first(row, said))
            if at % AT_ONCE == 0:
                await asyncio.sleep(0)
        return np.array(chosen)

    def _first(self, row: Sequence[object], extra: Mapping[str, Scalar]) -> int:
        document = document_of(dict(zip(self._places, row, strict=True)), extra)
        holding = (at for at, one in enumerate(self._conditions) if one.holds(document))
        return next(holding, len(self._conditions))


def condition(text: str) -> Condition:
    """The condition that `text` says.

    Raises:
        ValueError: it is not JMESPath, or looks at something else than features and parameters by their names.
    """
    try:
        expression = jmespath.compile(text)
    except JMESPathError as error:
        hint = "; a number is written in backticks: `18`" if "NUMBER" in str(error) else ""
        raise ValueError(f"not JMESPath: {_one_line(error)}{hint}") from error
    for name in _functions(expression.parsed):
        if name not in FUNCTIONS:
            raise ValueError(no_such("function", name, sorted(FUNCTIONS)))
    return Condition(text, tuple(dict.fromkeys(_names(expression.parsed))), expression)


def _names(node: Mapping[str, Any]) -> Iterator[Name]:
    """The names in the part of an expression that sees the whole document."""
    kind, children = node["type"], node["children"]
    if kind in ("field", "current", "identity"):
        raise ValueError(_nameless(str(node.get("value", "@"))))
    if kind == "not_expression" and children[0]["type"] == "field":
        raise ValueError("'!' is for the one name behind it: write !(inputs.flag)")
    if kind == "subexpression" and children[0]["type"] == "field" and children[1]["type"] == "field":
        root, name = str(children[0]["value"]), str(children[1]["value"])
        if root not in ROOTS:
            raise ValueError(_nameless(root))
        yield root, name
    elif kind != "expref":
        for child in children[:1] if kind in INNER else children:
            yield from _names(child)


def _nameless(found: str) -> str:
    if found in ("null", "true", "false"):
        return f"{found} is written in backticks: `{found}`"
    return f"{found} needs a name, as in {found}.age" if found in ROOTS else no_such("name", found, ROOTS)


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield str(node["value"])
    for child in node["children"]:
        yield from _functions(child)


def document_of(row: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What conditions are asked about; NaN is a missing value."""
    present = {name: value for name, value in row.items() if value == value}
    return {"inputs": present, "parameters": parameters}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split(", for expression")[0].split())[:200]
