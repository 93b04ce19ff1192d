import multiprocessing
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from server.config import ConfigError
from server.folder import LONGEST_PATH, PREFIX, listening_at, private_folder, remove_stale


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def test_the_folder_is_private_and_goes_with_us(base: Path) -> None:
    with private_folder() as folder:
        assert folder.parent == base
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "a.sock").touch()
    assert not list(base.iterdir())


def test_it_goes_when_we_fail_too(base: Path) -> None:
    with pytest.raises(ZeroDivisionError), private_folder():
        raise ZeroDivisionError
    assert not list(base.iterdir())


def test_where_none_can_be_made_that_is_one_line(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base / "nowhere"))
    line = f"no folder can be made in {base}/nowhere: no such file or directory; set XDG_RUNTIME_DIR to one of yours"
    with pytest.raises(ConfigError, match=f"^{line}$"), private_folder():
        pass


def test_what_a_killed_server_left_is_removed_by_the_next(base: Path) -> None:
    stale = base / f"{PREFIX}stale"
    stale.mkdir()
    (stale / "lock").touch()
    (stale / "forest.1.sock").touch()
    with private_folder():
        assert not stale.exists()


def test_another_servers_folder_is_left_alone(base: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(ready, done))
    other.start()
    assert ready.wait(30)
    remove_stale(base)
    assert len(list(base.glob(f"{PREFIX}*"))) == 1
    done.set()
    other.join(30)
    assert other.exitcode == 0


def _hold(ready: "multiprocessing.synchronize.Event", done: "multiprocessing.synchronize.Event") -> None:
    with private_folder():
        ready.set()
        done.wait(30)


def test_a_socket_listens_at_the_longest_path_and_beyond_that_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:
        longest = f"{folder}/{'x' * (LONGEST_PATH - len(folder) - 6)}.sock"
        listening_at(longest).close()
        with pytest.raises(ConfigError, match="is too long, 108 bytes of at most 107; set XDG_RUNTIME_DIR"):
            listening_at(longest.replace(".sock", "x.sock"))


def test_folders_of_other_programs_are_left_alone(base: Path) -> None:
    for name in ("chorus-without-a-lock", "something-else"):
        (base / name).mkdir()
    remove_stale(base)
    assert len(list(base.iterdir())) == 2
