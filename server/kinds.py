"""The kinds of backends in chorus.toml, told apart by the key that only one of them needs: `url`, ...

The tables of TOML have no tag, unlike the same settings in JSON.
"""

from collections.abc import Mapping
from types import GenericAlias
from typing import Any, TypeAlias, get_args, get_origin

import msgspec

from server.composites import KINDS
from server.settings import Config, LocalSettings, PythonSettings, RemoteSettings
from server.tables import choices

Backend: TypeAlias = LocalSettings | RemoteSettings | PythonSettings


def tables() -> dict[str, tuple[type[Any], ...]]:
    """What stands under each top-level name: in `[server]` one shape, in `[backends.NAME]` one of several."""
    shapes: dict[str, tuple[type[Any], ...]] = {}
    for name, of in document().items():
        shapes[name] = tuple(choices(get_args(of)[1] if is_named(of) else of))
    return shapes


def document() -> dict[str, Any]:
    """The type of what stands under each top-level name of the file: there, each kind of composite has its own."""
    types: dict[str, Any] = {}
    for field in msgspec.structs.fields(Config):
        if field.name == "composites":
            types |= {kind.table: GenericAlias(dict, (str, kind.settings)) for kind in KINDS}
        else:
            types[field.name] = field.type
    return types


def is_named(kind: Any) -> bool:
    """Whether it is tables by name, `[backends.NAME]`, not one table."""
    return get_origin(kind) is dict


def kinds() -> tuple[type[Any], ...]:
    """Every kind that a table `[backends.NAME]` may be."""
    return tables()["backends"]


def marker(kind: type[msgspec.Struct]) -> str | None:
    """The key that makes a table one of `kind`; a model of the registry has none."""
    plain = LocalSettings.__struct_fields__
    fields = msgspec.structs.fields(kind)
    return next((field.name for field in fields if field.required and field.name not in plain), None)


def kind_of(raw: Any) -> type[Any]:
    """What `raw` is meant to be."""
    given = raw if isinstance(raw, dict) else {}
    return next((kind for kind in kinds() if marker(kind) in given), LocalSettings)


def others_of(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """The keys that only other kinds have, and what to say of each."""
    known = set(kind.__struct_fields__)
    own = marker(kind)
    words: dict[str, str] = {}
    for other in kinds():
        for key in other.__struct_fields__:
            if key not in known:
                words.setdefault(
                    key, f"not for a backend with a {own}" if own else f"only for a backend with a {marker(other)}"
                )
    return words
