"""What sets two versions apart: data, parameters, metrics, signature, calibration, line by line."""

from collections.abc import Iterator
from typing import Any

import msgspec

from models.manifest import Manifest

IGNORED = frozenset({"name", "version", "created", "examples"})  # these say which, not what


def differences(one: Manifest, other: Manifest) -> list[tuple[str, Any, Any]]:
    """Each entry that differs, by its path (`training.parameters.C`), with both values; None where one has it not."""
    mine, theirs = (dict(_flat(msgspec.to_builtins(manifest))) for manifest in (one, other))
    paths = dict.fromkeys([*mine, *theirs])
    return [(path, mine.get(path), theirs.get(path)) for path in paths if mine.get(path) != theirs.get(path)]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            if path or name not in IGNORED:
                yield from _flat(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        for at, item in enumerate(value):
            yield from _flat(item, f"{path}[{item.get('name', at)}]")
    else:
        yield path, value
