"""What a kind of composite is: how one backend is made of others, its parts.

A kind is one file of this package and one line in its `__init__`; the configuration, `chorus check`, the schema, the
debug routes and the metrics follow from what stands here. docs/compositions.md shows how, with an example.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from aggregator.brown_out import BrownOut
from aggregator.reaper import Reaper
from backends.aside import Aside
from backends.base import Backend
from backends.batching import Batching
from backends.comparisons import Revote
from backends.measures import Measure
from backends.outcomes import Recorder
from backends.served import ASK_NOTHING, Answerable, Served, no_measures, nothing
from models.types import Signature
from server.key import Key
from server.tables import shown
from server.values import Milliseconds

if TYPE_CHECKING:
    from server.settings import Config

Part = tuple[str, str]
"""A key of the table, and whom it names."""
Fault = tuple[str, str]
"""A key of the table, and what is wrong with it."""


class CompositeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every table of a composite has. A key `path` is a folder: absolute once read, in the file relative to it.

    `timeout_ms`: where the request does not say; None is what the kind makes of its parts.
    """

    timeout_ms: Milliseconds | None = None


class Misfit(ValueError):
    """Settings and parts that do not fit together: `faults` by the key of the table."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{key}: {text}" for key, text in faults))


@dataclass(frozen=True, slots=True)
class Context:
    """What all composites of a server share. What a composite must close in the end it pushes onto `opened`."""

    reaper: Reaper = field(default_factory=Reaper)
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    brown_out: BrownOut = field(default_factory=BrownOut)
    aside: Aside = field(default_factory=Aside)

    def let_go(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        """Cancel what nobody waits for any more."""
        self.reaper.adopt(tasks, linger=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A composite as its kind has made it.

    `timeout` in seconds, where neither the request nor the table says how long. `takes`: which of the parameters
    `quorum`, `early` and `members` it can do something with; `extra`: the names of further ones, beside those of its
    parts. `about`: what is shown of it, as `GET /` has it; `details`: under /debug alone. `revote`, where members vote:
    by the weight of a further one, what would be answered with it. `code`: a fingerprint of what is neither in its
    settings nor in its parts. `lacking`: the word for its state while it is not `answerable`. `batched`: whether one
    request cannot fail because of others that are asked with it; a composite that asks some rows of this and some of
    that part fails for all of them. `batching`: where it asks for several requests at once.
    """

    backend: Backend
    signature: Signature
    answerable: Answerable
    timeout: float = 1.0
    runtime: str = ""
    takes: frozenset[str] = ASK_NOTHING
    extra: frozenset[str] = frozenset()
    batched: bool = False
    batching: Batching | None = None
    examples: tuple[tuple[object, ...], ...] = ()
    outcomes: Recorder | None = None
    about: Callable[[], Mapping[str, Any]] = nothing
    details: Callable[[], Mapping[str, Any]] = nothing
    measures: Callable[[], Iterable[Measure]] = no_measures
    revote: Callable[[float], Revote] | None = None
    code: str = ""
    lacking: str = "parts away"


S = TypeVar("S", bound=CompositeSettings)


def no_mistakes(_settings: Any) -> Iterator[Fault]:
    """Of settings with which nothing can be wrong that the types do not show."""
    return iter(())


def nobody(_settings: Any) -> Iterator[str]:
    """Of a kind that waits for all whom it asks."""
    return iter(())


def no_doubts(_settings: Any, _config: "Config") -> Iterator[Fault]:
    """Of settings that are always meant."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[S]):
    """A way to make one backend of others.

    `table`: `[table.NAME]`; `about` and `keys` are its words. `parts`: whom settings name, each with the key that does.
    `mistakes`: what is wrong with settings by themselves; that a part does not exist, or is made of what it is a
    part of, is found for all kinds. `doubts`: what is allowed, and probably not meant. `make` is called with the name,
    the settings and the parts by name; by `chorus check`, too, with parts that cannot be asked. It raises `Misfit`.
    `aside`: those of the parts that no answer waits for.
    """

    settings: type[S]
    table: str
    about: str
    keys: Mapping[str, Key]
    parts: Callable[[S], Iterable[Part]]
    make: Callable[[str, S, Mapping[str, Served], Context], Made]
    mistakes: Callable[[S], Iterable[Fault]] = no_mistakes
    doubts: Callable[[S, "Config"], Iterable[Fault]] = no_doubts
    aside: Callable[[S], Iterable[str]] = nobody

    @property
    def name(self) -> str:
        """As in `chorus backends`: chain."""
        return str(self.settings.__struct_config__.tag)


AnyKind: TypeAlias = Kind[Any]


def repeated(key: str, names: Sequence[str]) -> Iterator[Fault]:
    """One mistake for each of `names` that has been there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield key, f"{shown(name)} is there twice"
        seen.add(name)
