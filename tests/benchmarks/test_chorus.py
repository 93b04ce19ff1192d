from pathlib import Path

from benchmarks import chorus
from benchmarks.chorus import read_statuses
from benchmarks.scenarios import straggler
from models.registry import Registry
from server.config import load_config
from server.settings import Config, RemoteSettings

METRICS = """# TYPE chorus_answers counter
chorus_answers_total{ensemble="all",status="complete"} 120.0
chorus_answers_total{ensemble="hard",status="complete"} 3.0
chorus_answers_total{ensemble="hard",status="no_quorum"} 9.0
chorus_http_requests_total{method="POST",route="/predict",status="200"} 123.0
chorus_http_requests_total{method="POST",route="/predict",status="504"} 9.0
chorus_http_requests_total{method="POST",route="/predict",status="499"} 64.0
"""


def config_of(tables: str, folder: Path) -> Config:
    path = folder / "chorus.toml"
    path.write_text(tables)
    return load_config(path, environ={})


def test_answers_and_errors_are_counted_by_status_but_clients_that_have_gone_are_not() -> None:
    assert read_statuses(METRICS) == {"complete": 123, "504": 9}


def test_the_five_members_are_served_in_both_ways(tmp_path: Path) -> None:
    for inline in (False, True):
        config = config_of(chorus.five(inline=inline), tmp_path)
        assert config.default == chorus.ENSEMBLE
        assert config.ensembles[chorus.ENSEMBLE].members == chorus.MEMBERS
        assert all(getattr(backend, "inline", None) is inline for backend in config.backends.values())


def test_the_member_elsewhere_is_described_as_the_registry_has_it(tmp_path: Path, trained: Registry) -> None:
    tables = straggler.remote(trained, "http://127.0.0.1:9") + chorus.ensemble([straggler.ELSEWHERE], timeout_ms=100)
    remote = config_of(tables, tmp_path).backends[straggler.ELSEWHERE]
    assert isinstance(remote, RemoteSettings)
    assert remote.labels == ("malignant", "benign")
    assert len(remote.features) == 30
