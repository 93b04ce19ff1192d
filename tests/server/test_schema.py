"""The schema says what the reader says: about the files of this repository, and about wrong ones."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from server.keys import KEYS
from server.kinds import tables
from server.schema import schema

ROOT = Path(__file__).parent.parent.parent
VALID = jsonschema.Draft202012Validator(schema())

REMOTE = {"url": "http://h:1", "model": "m", "features": ["a"], "labels": ["x", "y"]}


def wrong(document: dict[str, Any]) -> list[str]:
    return [error.message for error in VALID.iter_errors(document)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$schema"].endswith("2020-12/schema")


def test_the_demonstration_is_valid() -> None:
    assert not wrong(tomllib.loads((ROOT / "chorus.toml").read_text()))


@pytest.mark.parametrize(
    "document",
    [
        {"server": {"prot": 80}},
        {"sever": {}},
        {"server": {"port": "80"}},
        {"server": {"port": 65536}},
        {"server": {"loop": "uvlop"}},
        {"backends": {"a": {}}},
        {"backends": {"a b": {"model": "m"}}},
        {"backends": {"a": {"model": "m", "kind": "local"}}},
        {"backends": {"a": {**REMOTE, "threads": 2}}},
        {"backends": {"a": {"model": "m", "labels": ["x"]}}},
        {"ensembles": {"e": {"members": ["a"], "quorum": 0}}},
        {"ensembles": {"e": {"members": ["a"], "quorum": None}}},
        {"ensembles": {"e": {"members": ["a"], "weights": {"a": 0}}}},
        {"ensembles": {"e": {}}},
    ],
)
def test_what_the_reader_refuses_is_invalid(document: dict[str, Any]) -> None:
    assert wrong(document)


def test_every_kind_of_backend_is_valid() -> None:
    assert not wrong({"backends": {"near": {"model": "m", "inline": True}, "far": REMOTE}})


def test_nothing_is_null_and_no_default_is_left_as_it_travels_in_json() -> None:
    written = msgspec.json.encode(schema()).decode()
    assert not re.search(r'"null"|:null', written)
    assert "kind" not in schema()["$defs"]["RemoteSettings"]["properties"]


def test_every_key_has_a_title_a_meaning_and_its_default() -> None:
    definitions = schema()["$defs"]
    for table, shapes in tables().items():
        for shape in shapes:
            described = definitions[shape.__name__]
            assert re.match(rf"\[{table}\]", described["title"])
            for field in msgspec.structs.fields(shape):
                about = described["properties"][field.name]
                assert about["title"] == field.name
                assert field.name in KEYS.get(table, {}), f"a line in server/keys.py is missing: {table} {field.name}"
                assert about["description"].lower().startswith(KEYS[table][field.name].about.lower())
                if field.default not in (msgspec.NODEFAULT, None, ()):
                    assert about["default"] == field.default
