"""A first chorus.toml, with comments: for the models of a registry, or for the demonstration.

The keys, their defaults and their order are those of the settings; a commented key shows its default, or an example.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aggregator.member import assemble
from models.errors import ChorusError
from models.estimators import ESTIMATORS
from models.registry import Registry
from models.types import Signature
from server.checking import unasked
from server.keys import TABLES, key_of
from server.kinds import document, is_named, kinds, marker, tables
from server.settings import EnsembleSettings, LocalSettings
from server.tables import shown_key

DEMONSTRATION = "breast-cancer"
COLUMN = 40  # where the comments begin

HEADER = """\
# What Chorus serves. After each change: chorus check; then: chorus serve
# A key behind a '#' is not set: it shows the default, or an example where there is none.
# For completion in an editor: chorus config schema > chorus.schema.json, and here as the first line
#   #:schema ./chorus.schema.json
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """Which backends, by name, have which model of the registry, and which ensembles have which of them as members."""

    backends: Mapping[str, str]
    ensembles: Mapping[str, Sequence[str]]
    left_out: Sequence[str] = ()


def demonstration() -> Contents:
    """The built-in models, which `chorus train` makes."""
    members = list(ESTIMATORS[DEMONSTRATION])
    return Contents({member: f"{DEMONSTRATION}/{member}" for member in members}, {DEMONSTRATION: members})


def contents_of(registry: Registry) -> Contents:
    """Every model of `registry`; those with the same beginning that fit together are an ensemble of that name."""
    signatures: dict[str, Signature] = {}
    left_out: list[str] = []
    for model in registry.names():
        try:
            signatures[model] = registry.resolve(model).manifest.signature
        except ChorusError as error:
            left_out.append(f"{model}: {error}")
    groups = {name: members for name, members in _groups(signatures) if len(members) > 1}
    names = _short_names(signatures, taken=groups)
    ensembles = {group: [names[model] for model in members] for group, members in groups.items()}
    return Contents({names[model]: model for model in signatures}, ensembles, left_out)


def _groups(signatures: Mapping[str, Signature]) -> Iterator[tuple[str, list[str]]]:
    """The models of one folder that can vote together, as far as they fit to the first."""
    folders: dict[str, list[str]] = {}
    for model in signatures:
        folder = model.rpartition("/")[0]
        if folder:
            folders.setdefault(folder, []).append(model)
    for folder, models in folders.items():
        fitting: list[str] = []
        for model in models:
            if _fit([signatures[one] for one in (*fitting, model)]):
                fitting.append(model)
        yield _plain(folder), fitting


def _fit(signatures: Sequence[Signature]) -> bool:
    try:
        assemble([unasked(str(at), signature) for at, signature in enumerate(signatures)], {}, ())
    except ValueError:
        return False
    return True


def _short_names(models: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A backend's name for each model: its last part, if that is nobody else's."""
    models, used = list(models), set(taken)
    last = [model.rpartition("/")[2] for model in models]
    names: dict[str, str] = {}
    for model, short in zip(models, last, strict=True):
        name = _plain(short if last.count(short) == 1 and short not in used else model)
        while name in used:
            name = f"{name}-model"[-64:]
        used.add(name)
        names[model] = name
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:64]


def written(contents: Contents) -> str:
    """The text of chorus.toml."""
    default = next(iter((*contents.ensembles, *contents.backends)))
    parts = [HEADER]
    for table, of in document().items():
        if not is_named(of):
            (shape,) = tables()[table]
            said = {"port": 8080, "default": default} if table == "server" else {}
            parts.append(_table(table, table, shape, said))
    for at, (name, model) in enumerate(contents.backends.items()):
        parts.append(_table("backends", name, LocalSettings, {"model": model}, in_full=at == 0))
    parts += [f"# left out: {' '.join(line.split())}\n" for line in contents.left_out]
    parts += [_example(kind) for kind in kinds() if marker(kind) is not None]
    for at, (name, members) in enumerate(contents.ensembles.items()):
        said = {"members": members, "timeout_ms": 1000, "quorum": len(members) // 2 + 1}
        parts.append(_table("ensembles", name, EnsembleSettings, said, in_full=at == 0))
    return "\n".join(part for part in parts if part)


def _table(table: str, name: str, shape: type[msgspec.Struct], said: Mapping[str, Any], *, in_full: bool = True) -> str:
    """One table with what is `said`, and `in_full` all else that could be."""
    heading = f"[{table}]" if name == table else f"[{table}.{shown_key(name)}]"
    lines = [
        f"{heading}{'':{max(1, COLUMN - len(heading))}}# {TABLES[table]}" if in_full and table in TABLES else heading
    ]
    lines += [_line(table, key, value, set_=True, with_about=in_full) for key, value in said.items()]
    if in_full:
        for field in msgspec.structs.fields(shape):
            value = _shown(table, field)
            if field.name not in said and value is not None:
                lines.append(_line(table, field.name, value, set_=False))
    return "\n".join(lines) + "\n"


def _example(kind: type[msgspec.Struct]) -> str:
    """A backend of another kind, all of it behind a '#'; nothing if what it needs has no example."""
    fields = msgspec.structs.fields(kind)
    values = {
        field.name: _shown("backends", field) for field in fields if field.name not in LocalSettings.__struct_fields__
    }
    if any(values.get(field.name, "model") is None for field in fields if field.required):
        return ""
    lines = [f"# [backends.with-{marker(kind)}]"]
    if "model" in kind.__struct_fields__:
        lines.append(_line("backends", "model", "its-name", set_=False))
    lines += [_line("backends", key, value, set_=False) for key, value in values.items() if value is not None]
    return "\n".join(lines) + "\n"


def _shown(table: str, field: msgspec.structs.FieldInfo) -> Any:
    """The default of a key, else an example; None if there is neither."""
    key = key_of(table, field.name)
    default = None if field.default is msgspec.NODEFAULT else field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    example = key.example if key else None
    return example if default is None or (default == () and example) else default


def _line(table: str, key: str, value: Any, *, set_: bool, with_about: bool = True) -> str:
    text = f"{'' if set_ else '# '}{key} = {_toml(value)}"
    about = key_of(table, key)
    return f"{text:{COLUMN - 2}}  # {about.about}" if about and with_about else text


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{shown_key(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return msgspec.json.encode(value).decode()
