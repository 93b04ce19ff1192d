"""chorus.toml as a JSON Schema, for completion and checks in an editor.

msgspec describes the settings as they travel in JSON between our processes; in TOML there is neither a tag nor a null,
and a key's meaning comes from `server.keys`. What only a look at several tables shows is left to `chorus check`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from server.keys import TABLES, key_of
from server.kinds import document, is_named, marker, tables

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME = r"^[A-Za-z0-9._-]{1,64}$"


def schema() -> dict[str, Any]:
    """The schema of the whole file."""
    file = msgspec.defstruct("File", [(name, of, msgspec.field(default=None)) for name, of in document().items()])
    written = msgspec.json.schema(file, ref_template="#/$defs/{name}")
    definitions = written["$defs"]
    root = definitions.pop("File") | {"additionalProperties": False}
    for table, shapes in tables().items():
        for shape in shapes:
            _describe(definitions[shape.__name__], table, shape)
    for definition in _objects(definitions):
        _as_toml(definition)
    for name, of in document().items():
        about = root["properties"][name]
        about.pop("default", None)
        about |= {"title": f"[{name}]", "description": TABLES.get(name, "")}
        if is_named(of):
            about["title"] = f"[{name}.NAME]"
            about["propertyNames"] = {"pattern": NAME}
            about["additionalProperties"].pop("discriminator", None)
    return {
        "$schema": DIALECT,
        "title": "chorus.toml",
        "description": "What Chorus serves, and how.",
        **{key: value for key, value in root.items() if key not in ("title", "description")},
        "$defs": definitions,
    }


def _describe(definition: dict[str, Any], table: str, shape: type[msgspec.Struct]) -> None:
    """Titles and descriptions for one table, without the tag."""
    tag = shape.__struct_config__.tag_field
    if tag is not None:
        definition["properties"].pop(tag, None)
        definition["required"] = [key for key in definition["required"] if key != tag]
    marked = marker(shape) if table == "backends" else None
    definition["title"] = f"[{table}] with a {marked}" if marked else f"[{table}]"
    definition["description"] = TABLES.get(table, "")
    for name, about in definition["properties"].items():
        about["title"] = name
        if key := key_of(table, name):
            about["description"] = f"{key.about[:1].upper()}{key.about[1:]}."


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that describe a table."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield node
        for part in node.values():
            yield from _objects(part)


def _as_toml(definition: dict[str, Any]) -> None:
    """Without null, which TOML does not have; what is None is not there."""
    for name, about in definition["properties"].items():
        if about.get("default", ...) is None:
            del about["default"]
        kinds = [kind for kind in about.get("anyOf", ()) if kind != {"type": "null"}]
        if len(kinds) == 1:
            del about["anyOf"]
            definition["properties"][name] = {**kinds[0], **about}
        elif kinds:
            about["anyOf"] = kinds
