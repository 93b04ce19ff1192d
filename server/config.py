"""chorus.toml: read, overruled by the environment and the command line, and checked.

Precedence: command line, environment (`CHORUS_PORT`, ...), file, default. All mistakes are told at once, one line each.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from models.columns import INPUT
from models.types import PREDICTIONS
from server.composites import KINDS
from server.composites.kind import CompositeSettings
from server.consistency import mistakes_of, warnings_of
from server.kinds import Backend, kind_of, others_of, tables
from server.overrides import absolute, overrule
from server.settings import (
    Config,
    DebugSettings,
    EnsembleSettings,
    LocalSettings,
    PythonSettings,
    RegistrySettings,
    RemoteSettings,
    ServerSettings,
)
from server.tables import Mistake, Reading, did_you_mean, shown_key

__all__ = [
    "Config",
    "ConfigError",
    "DebugSettings",
    "Draft",
    "EnsembleSettings",
    "LocalSettings",
    "PythonSettings",
    "RegistrySettings",
    "RemoteSettings",
    "ServerSettings",
    "load_config",
    "read_config",
    "warnings_of",
]

NO_OVERRIDES: Mapping[str, object] = MappingProxyType({})

COMPOSITE_TABLES = tuple(kind.table for kind in KINDS)
OTHER_WORDS = {"workers": "it is called fronts here; a worker is a process that holds a model"}

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ConfigError(ValueError):
    """A configuration that cannot be used; `mistakes` has one line for each thing that is wrong."""

    def __init__(self, *mistakes: str | Mistake) -> None:
        self.mistakes = tuple(map(str, mistakes))
        super().__init__("\n".join(self.mistakes))


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a file: `config` has the default, or nothing, where there are `mistakes`."""

    path: Path
    config: Config
    mistakes: tuple[Mistake, ...]


def load_config(
    path: Path, overrides: Mapping[str, object] = NO_OVERRIDES, environ: Mapping[str, str] = os.environ
) -> Config:
    """The configuration in the file `path`.

    `overrides` are by the name of a `[server]` field, or `registry`; None says nothing. A registry that is named there
    or in the environment is relative to the current folder, as on every command line.

    Raises:
        ConfigError: with all that is wrong.
    """
    draft = read_config(path, overrides, environ)
    if draft.mistakes:
        raise ConfigError(*draft.mistakes)
    return draft.config


def read_config(
    path: Path, overrides: Mapping[str, object] = NO_OVERRIDES, environ: Mapping[str, str] = os.environ
) -> Draft:
    """As `load_config`, but with as much as can be read beside the mistakes.

    Raises:
        ConfigError: there is no such file, or it is not TOML.
    """
    document = _parsed(path)
    reading = Reading()
    _check_tables(document, reading)
    server = reading.values(document.get("server", {}), ServerSettings, "server", other=OTHER_WORDS)
    registry = reading.struct(document.get("registry", {}), RegistrySettings, "registry") or RegistrySettings()
    values = {**server, "registry": absolute(path.parent, registry.path)}
    origins, overruled = overrule(values, overrides, environ)
    config = Config(
        registry=RegistrySettings(path=values.pop("registry")),
        server=ServerSettings(**values),
        backends=_backends(_named(document, "backends", reading), reading, path.parent),
        composites=_composites(document, reading, path.parent),
        **_others(document, reading),
    )
    mistakes = [replace(mistake, origin=str(path)) for mistake in reading.mistakes] + overruled
    named = [table for table in document if table == "backends" or table in COMPOSITE_TABLES]
    for mistake in mistakes_of(config, {table: _names(document, table) for table in named}):
        if mistake.key and any(one.is_within(mistake) for one in reading.mistakes):
            continue  # it is about what the mistakes in there have left of the value
        origin = origins.get(mistake.key) if mistake.table == "server" else None
        mistakes.append(Mistake("", "", mistake.text, origin) if origin else replace(mistake, origin=str(path)))
    return Draft(path, config, tuple(mistakes))


def _others(document: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    """The tables of one struct each, that need nothing more."""
    special = ("server", "registry", "backends", "composites")
    read = {
        field.name: reading.value(document[field.name], field.type, "", field.name)
        for field in msgspec.structs.fields(Config)
        if field.name in document and field.name not in special
    }
    return {name: value for name, value in read.items() if value is not None}


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"no {path.name} here ({path.parent.absolute()}); name one with --config, or write one: chorus init"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_with_line(str(error))}") from error


def _with_line(message: str) -> str:
    """`line 2, column 5: invalid value` from `Invalid value (at line 2, column 5)`."""
    said = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    words, place = said.groups() if said else (message, "")
    return f"{place or 'the file'}: {words[:1].lower()}{words[1:]}"


def _check_tables(document: Mapping[str, Any], reading: Reading) -> None:
    for key, value in document.items():
        if key in tables():
            continue
        if isinstance(value, dict):
            reading.wrong(shown_key(key), "", "unknown table" + did_you_mean(key, tables()))
        else:
            belongs = "; it belongs under [server]" if key in ServerSettings.__struct_fields__ else ""
            reading.wrong("", shown_key(key), f"unknown key{belongs}")


def _names(document: Mapping[str, Any], kind: str) -> list[str]:
    tables = document.get(kind)
    return list(tables) if isinstance(tables, dict) else []


def _named(document: Mapping[str, Any], kind: str, reading: Reading) -> dict[str, Any]:
    """The tables `[kind.NAME]`, by the name."""
    tables = document.get(kind, {})
    if not isinstance(tables, dict):
        reading.wrong("", kind, f"expected tables [{kind}.NAME]")
        return {}
    for name in tables:
        if not _NAME.fullmatch(name):
            reading.wrong(f"{kind}.{shown_key(name)}", "", "a name is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return tables


def _backends(tables: Mapping[str, Any], reading: Reading, folder: Path) -> dict[str, Backend]:
    read = {name: _backend(raw, f"backends.{shown_key(name)}", reading, folder) for name, raw in tables.items()}
    return {name: backend for name, backend in read.items() if backend is not None}


def _backend(raw: Any, table: str, reading: Reading, folder: Path) -> Backend | None:
    """One kind of backend, by the key that marks it, and nothing that only another kind has."""
    kind = kind_of(raw)
    if kind is RemoteSettings and (output := {"regression": PREDICTIONS, "transform": INPUT}.get(raw.get("task"))):
        raw = {"output": output, **raw}
    read = reading.struct(raw, kind, table, other=others_of(kind))
    if isinstance(read, RemoteSettings) and isinstance(read.url, str):
        return msgspec.structs.replace(read, url=read.url.rstrip("/"))
    if isinstance(read, PythonSettings):
        return msgspec.structs.replace(read, path=absolute(folder, read.path))
    return read


def _composites(document: Mapping[str, Any], reading: Reading, folder: Path) -> dict[str, CompositeSettings]:
    """The tables of all kinds of composites, by name: that a name is there once is checked with all others."""
    composites: dict[str, CompositeSettings] = {}
    for kind in sorted(KINDS, key=lambda kind: list(document).index(kind.table) if kind.table in document else 0):
        for name, raw in _named(document, kind.table, reading).items():
            settings = reading.struct(raw, kind.settings, f"{kind.table}.{shown_key(name)}")
            if settings is not None:
                composites[name] = _placed(settings, folder)
    return composites


def _placed(settings: CompositeSettings, folder: Path) -> CompositeSettings:
    """A folder of the user's as seen from the file's own."""
    path = getattr(settings, "path", None)
    return settings if path is None else msgspec.structs.replace(settings, path=absolute(folder, path))
