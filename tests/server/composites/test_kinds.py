"""Chains, switches and splits as chorus.toml has them: what is read, what is a mistake, what nests in what."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from backends.served import Served
from server.checking import findings_of, unasked
from server.composites import KINDS
from server.composites.kind import Context
from server.composites.serving import composite
from server.config import read_config
from server.consistency import innermost_first
from server.schema import schema
from server.settings import Config
from server.signatures import declared

PARTS = """
[backends.a]
python = "own:a"
features = ["x", "y"]
labels = ["no", "yes"]
[backends.b]
python = "own:b"
features = ["y", "z"]
labels = ["yes", "no"]
[backends.number]
python = "own:number"
features = ["x", "y"]
task = "regression"
[backends.scale]
python = "own:scale"
features = ["x", "y", "raw"]
task = "transform"
outputs = ["x", "y"]
[backends.explain]
python = "own:explain"
features = ["yes", "x"]
task = "transform"
outputs = ["text:BYTES"]
[backends.embed]
python = "own:embed"
features = ["image:FP32[2,2]"]
task = "transform"
outputs = ["v:FP32[3]"]
[ensembles.vote]
members = ["a", "b"]
"""
KIND_OF_EACH = {
    "ensemble": '[ensembles.outer]\nmembers = ["inner", "a"]',
    "chain": '[chains.outer]\nsteps = ["scale", "inner"]',
    "switch": '[switches.outer]\ncases = [{ when = "inputs.x > `1`", use = "inner" }]\notherwise = "a"',
    "split": "[splits.outer]\nshares = { inner = 0.9, a = 0.1 }",
}


def written(folder: Path, text: str) -> Path:
    (folder / "own.py").write_text("def a(c): ...\nb = number = scale = explain = embed = a\n")
    path = folder / "chorus.toml"
    path.write_text(PARTS + text)
    return path


def config_of(folder: Path, text: str) -> Config:
    draft = read_config(written(folder, text), {}, {})
    assert [str(mistake) for mistake in draft.mistakes] == []
    return draft.config


def found(folder: Path, text: str) -> list[str]:
    """The errors, without the file's name."""
    path = written(folder, text)
    return [str(error).removeprefix(f"{path}: ") for error in findings_of(read_config(path, {}, {})).errors]


def served(config: Config) -> dict[str, Served]:
    """Everything composed, of parts that cannot be asked."""
    there = {name: unasked(name, of) for name, one in config.backends.items() if (of := declared(one)) is not None}
    for name in innermost_first(config.composites):
        there[name] = composite(name, config.composites[name], there, Context())
    return there


def test_a_chain_takes_what_no_step_gives_and_answers_as_its_last_step(tmp_path: Path) -> None:
    one = served(config_of(tmp_path, '[chains.full]\nsteps = ["scale", "vote", "explain"]'))["full"]
    assert (one.kind, one.parts, one.timeout) == ("chain", ("scale", "vote", "explain"), 1.0)
    assert one.signature.features == ("x", "y", "raw", "z")
    assert [spec.name for spec in one.signature.outputs] == ["text"]
    assert (one.signature.task, sorted(one.takes)) == ("transform", ["early", "members", "quorum"])
    assert one.about() == {"steps": ("scale", "vote", "explain")}


def test_a_chain_of_tensors_says_what_each_step_takes(tmp_path: Path) -> None:
    text = """
    [backends.head]
    python = "own:a"
    features = ["embedding:FP32[3]"]
    labels = ["no", "yes"]
    [chains.vision]
    steps = ["embed", "head"]
    map = { head = { embedding = "v" } }
    timeout_ms = 250
    """
    one = served(config_of(tmp_path, text))["vision"]
    assert [(spec.name, spec.shape) for spec in one.signature.inputs] == [("image", (-1, 2, 2))]
    assert (one.timeout, one.signature.labels, one.takes, one.example) == (0.25, ("no", "yes"), frozenset(), None)


def test_a_switch_takes_the_features_of_all_and_what_it_looks_at(tmp_path: Path) -> None:
    text = """
    [switches.region]
    parameters = ["region"]
    features = ["country:BYTES"]
    otherwise = "vote"
    [[switches.region.cases]]
    when = "parameters.region == 'eu' || inputs.country == 'fr'"
    use = "a"
    [[switches.region.cases]]
    when = "inputs.x > `10`"
    use = "b"
    """
    one = served(config_of(tmp_path, text))["region"]
    assert (one.parts, sorted(one.extra), one.signature.labels) == (("a", "b", "vote"), ["region"], ("no", "yes"))
    assert one.signature.features == ("x", "y", "z", "country")
    assert (one.batched, sorted(one.takes)) == (False, ["early", "members", "quorum"])


def test_a_split_has_a_key(tmp_path: Path) -> None:
    text = '[splits.s]\nshares = { vote = 0.95, a = 0.05 }\nkey = "parameters.user"\n'
    text += '[splits.t]\nshares = { a = 1.0, b = 0.0 }\nkey = "inputs.who"\nfeatures = ["who:BYTES"]\n'
    there = served(config_of(tmp_path, text))
    assert [sorted(there[name].extra) for name in "st"] == [["user"], []]
    assert there["t"].signature.features == ("x", "y", "z", "who")


@pytest.mark.parametrize("inner", KIND_OF_EACH)
@pytest.mark.parametrize("outer", KIND_OF_EACH)
def test_each_kind_nests_in_every_other(tmp_path: Path, inner: str, outer: str) -> None:
    text = KIND_OF_EACH[inner].replace("inner", "b").replace("outer", "inner") + "\n" + KIND_OF_EACH[outer]
    assert found(tmp_path, text) == []
    config = config_of(tmp_path, text)
    there = served(config)
    assert (there["inner"].kind, there["outer"].kind) == (inner, outer)
    assert "inner" in there["outer"].parts


def test_what_a_part_decides_by_may_be_said_to_whatever_it_is_in(tmp_path: Path) -> None:
    text = '[splits.s]\nshares = { a = 0.5, b = 0.5 }\nkey = "parameters.user"\n[ensembles.e]\nmembers = ["s", "a"]\n'
    text += '[chains.c]\nsteps = ["scale", "e"]\n'
    there = served(config_of(tmp_path, text))
    assert [sorted(there[name].extra) for name in "eca"] == [["user"], ["user"], []]


CHAIN = "[chains.c]\nsteps = "
SWITCH = '[switches.s]\notherwise = "b"\ncases = '
SHARES = (("a", 95), ("b", 5))
SPLIT = "[splits.s]\nshares = "
UNUSED = """no later step takes what 'embed' gives, by name: v FP32 [-1, 3]; say who does, as in \
map = { vote = { features = "v" } }"""


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("[]", ["steps: expected at least one"]),
        (
            '["scale", "scale", "vot"]',
            ["steps: 'scale' is there twice", "steps: unknown name 'vot'; did you mean 'vote'?"],
        ),
        ('["scale", "vote"]\nmap = { vot = { x = "y" } }', ["map: unknown step 'vot'; did you mean 'vote'?"]),
        ('["scale", "vote"]\nmap = { vote = { w = "y" } }', ["map: vote: no input 'w'; there are: features, x, y, z"]),
        ('["embed", "vote"]', [f"steps: {UNUSED}"]),
        ('["a"]\nstep = ["a"]', ["step: unknown key; did you mean 'steps'?"]),
        ('["a"]\ntimeout_ms = 0', ["timeout_ms: expected positive milliseconds, at most a day, got 0"]),
    ],
)
def test_mistakes_of_a_chain_name_the_key_and_the_fix(tmp_path: Path, text: str, mistakes: list[str]) -> None:
    assert found(tmp_path, CHAIN + text) == [f"[chains.c] {mistake}" for mistake in mistakes]


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("[]", ["cases: expected at least one, { when = ..., use = ... }"]),
        ('[{ when = "x", use = "a" }]', ["cases[0].when: no name 'x'; there are: inputs, parameters"]),
        ('[{ when = "inputs.x >", use = "a" }]', ["cases[0].when: not JMESPath: "]),
        ('[{ when = "inputs.x", use = "vot" }]', ["cases[0].use: unknown name 'vot'; did you mean 'vote'?"]),
        (
            '[{ when = "parameters.reg", use = "a" }]\nparameters = ["region"]',
            ["cases[0].when: unknown parameter 'reg'; did you mean 'region'?; list it in parameters"],
        ),
        (
            '[{ when = "inputs.xx", use = "a" }]',
            ["cases[0].when: no feature 'xx', did you mean 'x'? there are: x, y, z; list it in features if no branch"],
        ),
        ('[{ when = "inputs.x", use = "number" }]', ["cases: b is for classification, number for regression"]),
        (
            '[{ when = "inputs.x", use = "a" }]\nparameters = ["members", "r", "r"]',
            ["parameters: 'r' is there twice", "parameters: 'members' means something already: choose another name"],
        ),
        ('[{ when = "inputs.x", use = "a" }]\nfeatures = ["v:INT8", "v"]', ["features: 'v' is there twice"]),
    ],
)
def test_mistakes_of_a_switch_name_the_key_and_the_fix(tmp_path: Path, text: str, mistakes: list[str]) -> None:
    lines = found(tmp_path, SWITCH + text)
    assert [line[: len("[switches.s] ") + len(one)] for line, one in zip(lines, mistakes, strict=True)] == [
        f"[switches.s] {one}" for one in mistakes
    ]


def test_a_mistake_in_a_case_is_told_of_that_case(tmp_path: Path) -> None:
    first, second = found(tmp_path, SWITCH + '[{ wen = "inputs.x", use = "a" }]')[:2]
    assert first == "[switches.s.cases[0]] wen: unknown key; did you mean 'when'?"
    assert second == "[switches.s.cases[0]] when: missing; expected a string that is not empty"


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("{}", ["shares: expected at least one side"]),
        ("{ a = 0.9, b = 0.2 }", ["shares: must sum to 1, got 1.1"]),
        ("{ a = 1, b = 1.5 }", ["shares.b: expected a number from 0 to 1, got 1.5"]),
        ("{ a = 95, b = 5 }", [f"shares.{key}: expected a number from 0 to 1, got {got}" for key, got in SHARES]),
        ("{ a = 0.5, bb = 0.5 }", ["shares: unknown name 'bb'; did you mean 'b'?"]),
        ("{ a = 0.5, number = 0.5 }", ["shares: number is for regression, a for classification"]),
        ('{ a = 1 }\nkey = "user"', ["key: expected inputs.NAME or parameters.NAME, got 'user'"]),
        ('{ a = 1 }\nkey = "inputs.xx"', ["key: no feature 'xx', did you mean 'x'? there are: x, y"]),
        ('{ a = 1 }\nkey = "parameters.early"', ["key: 'early' means something already: choose another name"]),
    ],
)
def test_mistakes_of_a_split_name_the_key_and_the_fix(tmp_path: Path, text: str, mistakes: list[str]) -> None:
    assert found(tmp_path, SPLIT + text) == [f"[splits.s] {mistake}" for mistake in mistakes]


def test_a_name_is_there_once_in_all_tables(tmp_path: Path) -> None:
    text = '[chains.a]\nsteps = ["scale"]\n[splits.vote]\nshares = { b = 1 }\n[chain.c]\nsteps = []'
    lines = found(tmp_path, text)
    assert "[chain]: unknown table; did you mean 'chains'?" in lines
    assert "[chains.a]: there is a backend of this name, too" in lines
    assert "[splits.vote]: there is [ensembles.vote] of this name, too" in lines


def test_what_is_no_answer_to_a_question_cannot_vote(tmp_path: Path) -> None:
    (line,) = found(tmp_path, '[ensembles.e]\nmembers = ["scale", "scale2"]\n[chains.scale2]\nsteps = ["scale"]')
    assert line == "[ensembles.e] members: scale is for transform, which cannot be voted on or averaged"


def test_whatever_contains_itself_is_named_over_all_kinds(tmp_path: Path) -> None:
    text = """
    [chains.c]
    steps = ["scale", "s"]
    [switches.s]
    cases = [{ when = "inputs.x", use = "p" }]
    otherwise = "a"
    [splits.p]
    shares = { e = 1.0 }
    [ensembles.e]
    members = ["c", "a"]
    """
    (line,) = found(tmp_path, text)
    ways = {
        "[chains.c] steps": "c > s > p > e > c",
        "[switches.s] cases[0].use": "s > p > e > c > s",
        "[splits.p] shares": "p > e > c > s > p",
        "[ensembles.e] members": "e > c > s > p > e",
    }
    assert line in [f"{place}: nothing can be a part of itself: {way}" for place, way in ways.items()]


def test_the_settings_survive_the_way_to_a_child(tmp_path: Path) -> None:
    config = config_of(tmp_path, "\n".join(one.replace("inner", "b") for one in (KIND_OF_EACH["switch"],)))
    assert msgspec.json.decode(msgspec.json.encode(config), type=Config) == config


def test_what_is_asked_by_default_is_the_first_that_is_no_part_of_another(tmp_path: Path) -> None:
    assert config_of(tmp_path, "").default == "vote"
    assert config_of(tmp_path, '[chains.full]\nsteps = ["scale", "vote"]').default == "full"
    assert config_of(tmp_path, '[chains.full]\nsteps = ["scale", "vote"]\n[server]\ndefault = "a"').default == "a"


def test_a_version_is_that_of_the_parts_and_the_settings(tmp_path: Path) -> None:
    def version(text: str) -> str:
        return served(config_of(tmp_path, text))["s"].version

    one = version("[splits.s]\nshares = { a = 0.5, b = 0.5 }")
    assert one == version("[splits.s]\nshares = { a = 0.5, b = 0.5 }")
    assert one != version("[splits.s]\nshares = { a = 0.4, b = 0.6 }")


def test_every_kind_has_words_and_a_place_in_the_schema() -> None:
    properties = schema()["properties"]
    for kind in KINDS:
        assert kind.about.endswith(".")
        fields = {field.name for field in msgspec.structs.fields(kind.settings)} - {"timeout_ms"}
        assert fields <= kind.keys.keys()
        assert properties[kind.table]["title"] == f"[{kind.table}.NAME]"
        assert properties[kind.table]["description"] == kind.about


def test_reading_a_configuration_loads_no_composite() -> None:
    code = "import sys, server.config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"jmespath", "aiohttp", "aggregator.ensemble", "backends.chain", "backends.routing"} & set(
        done.stdout.split()
    )
