"""A configuration, as far as one name of it is asked in this process."""

import pytest

from models.errors import UnknownName
from server.prediction import inlined, reachable
from server.settings import Config, EnsembleSettings, LocalSettings, RemoteSettings

LOCAL = LocalSettings(model="m/a", timeout_ms=5, threads=2)
REMOTE = RemoteSettings(url="http://h", model="x", features=("a",), labels=("y", "n"), timeout_ms=7)
CONFIG = Config(
    backends={"a": LOCAL, "b": LOCAL, "c": REMOTE},
    composites={"inner": EnsembleSettings(members=("a", "c")), "outer": EnsembleSettings(members=("inner", "a"))},
)


def test_a_name_reaches_what_its_members_reach() -> None:
    assert reachable(CONFIG, "outer") == {"outer", "inner", "a", "c"}
    assert reachable(CONFIG, "b") == {"b"}


def test_only_what_is_asked_is_opened_and_local_models_here_with_all_the_time_they_need() -> None:
    config, name = inlined(CONFIG, "inner")
    assert name == "inner"
    assert list(config.ensembles) == ["inner"]
    assert config.backends == {"a": LocalSettings(model="m/a", inline=True, threads=2), "c": REMOTE}


def test_a_model_of_the_registry_needs_no_table() -> None:
    config, name = inlined(CONFIG, "m/b@candidate")
    assert config.backends[name] == LocalSettings(model="m/b@candidate", inline=True) or (
        config.backends[name] == LocalSettings(model="m/b@candidate", inline=True, timeout_ms=None)
    )


def test_a_name_that_is_nothing_says_what_there_is() -> None:
    with pytest.raises(UnknownName, match="no model 'iner', did you mean 'inner'"):
        inlined(CONFIG, "iner")
