"""The words for one key of chorus.toml."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """`about` one key; an `example` where it has no default that could be shown."""

    about: str
    example: Any = None
