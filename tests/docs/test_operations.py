"""What docs/operations.md says, tried on a real server; its alerts, by Prometheus' own tool and on real metrics."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from models.registry import Registry
from tests.pages import follow
from tests.running import Running, write_config

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
PAGE, ALERTS = ROOT / "docs/operations.md", ROOT / "docs/alerts.yml"
HUNG_MS = 5000  # as it is unless configured


def demonstration(folder: Path, trained: Registry) -> Path:
    """Its configuration, as far as the models are trained, and allowing drills; the registry is a copy."""
    shutil.copytree(trained.path, folder / ".chorus/registry")
    tables = (ROOT / "chorus.toml").read_text().partition("[backends.digits-")[0]
    (allowed,) = re.findall(r"^```toml\n(\[debug\]\n.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    path = folder / "chorus.toml"
    path.write_text(f"{tables}\n{allowed}")
    return path


def test_every_command_of_the_page_does_what_it_says(tmp_path: Path, trained: Registry) -> None:
    folder, runtime = tmp_path / "folder", tmp_path
    folder.mkdir()
    config = demonstration(folder, trained)
    shutil.copy(ALERTS, folder)
    follow(PAGE.read_text(), folder, lambda options: Running(config, runtime, *options, hung_ms=HUNG_MS))


def test_every_alert_is_on_the_page_and_no_other() -> None:
    named = re.findall(r"^\| `(Chorus\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert named == re.findall(r"^      - alert: (\w+)$", ALERTS.read_text(), re.MULTILINE)


def test_alerts_warn_of_what_they_say(tmp_path: Path) -> None:
    shutil.copy(ALERTS, tmp_path)
    shutil.copy(Path(__file__).with_name("alerts.test.yml"), tmp_path)
    done = subprocess.run(
        ["promtool", "test", "rules", "alerts.test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_metrics_of_the_alerts_are_there(trained: Registry, tmp_path: Path) -> None:
    used = set(re.findall(r"\b((?:chorus|process)_\w+?)(?:_bucket|_sum|_count)?\b(?=[\[{ ])", ALERTS.read_text()))
    assert len(used) > 8
    with Running(write_config(tmp_path, trained.path, inline=True), tmp_path, "--workers", "2") as server:
        _, text = server.ask("/metrics")
        assert used <= set(re.findall(r"^# HELP (\w+) ", text.decode(), re.MULTILINE))
