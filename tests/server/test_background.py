"""Who gives way to those that answer."""

from pathlib import Path

import pytest

from server.background import background
from server.config import load_config


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ("", set()),
        ('[shadows.s]\nprimary = "a"\ncandidates = ["b"]', {"b"}),
        ('[ensembles.e]\nmembers = ["b", "c"]\n[shadows.s]\nprimary = "a"\ncandidates = ["e"]', {"b", "c"}),
        ('[ensembles.e]\nmembers = ["a", "b"]\n[shadows.s]\nprimary = "a"\ncandidates = ["e", "c"]', {"b", "c"}),
        ('[ensembles.e]\nmembers = ["a", "b"]\n[shadows.s]\nprimary = "e"\ncandidates = ["c"]', {"c"}),
        ('[ensembles.e]\nmembers = ["b", "c"]\n[shadows.s]\nprimary = "a"\ncandidates = ["b"]', set()),
        ('[server]\ndefault = "b"\n[shadows.s]\nprimary = "a"\ncandidates = ["b"]', set()),
        ('[shadows.s]\nprimary = "a"\ncandidates = ["t"]\n[shadows.t]\nprimary = "b"\ncandidates = ["c"]', {"b", "c"}),
    ],
)
def test_only_who_is_asked_aside_and_nowhere_else(tmp_path: Path, tables: str, expected: set[str]) -> None:
    backends = "".join(f'[backends.{name}]\nmodel = "x/{name}"\n' for name in "abc")
    path = tmp_path / "chorus.toml"
    path.write_text(f"{tables}\n{backends}")
    assert background(load_config(path, {}, {})) == expected
