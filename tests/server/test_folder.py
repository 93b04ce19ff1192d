import multiprocessing
import stat
from pathlib import Path

import pytest

from server.folder import PREFIX, private_folder, remove_stale


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


def test_folders_of_other_programs_are_left_alone(base: Path) -> None:
    for name in ("chorus-without-a-lock", "something-else"):
        (base / name).mkdir()
    remove_stale(base)
    assert len(list(base.iterdir())) == 2
