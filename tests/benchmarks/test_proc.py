import os
import subprocess
import sys
import time

import pytest

from benchmarks import proc
from benchmarks.proc import Stat, read_busy, read_pss, read_stat, tree
from tests.running import until

STAT = "42 (a b) R 7) S 7 42 42 0 -1 4194304 164 5 0 0 150 25 30 5 20 0 1 0 12345 6 7"


def test_a_stat_has_the_time_of_the_process_and_of_its_children_that_ended() -> None:
    assert read_stat(STAT) == Stat(pid=42, parent=7, cpu_seconds=210 / proc.TICKS)


def test_a_tree_is_a_process_and_all_that_it_started() -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 2, 5: 1}
    stats = {pid: Stat(pid, parent, 0.0) for pid, parent in parents.items()}
    assert sorted(tree(2, stats)) == [2, 3, 4]
    assert tree(9, stats) == []


def test_the_proportional_set_size_is_in_bytes() -> None:
    assert read_pss("5a-7f ---p [rollup]\nRss:  9 kB\nPss:   254 kB\nPss_Anon: 1 kB\n") == 254 * 1024
    with pytest.raises(ValueError, match="Pss"):
        read_pss("Rss: 9 kB\n")


def test_a_machine_is_busy_when_it_is_not_idle_and_does_not_wait_for_a_disk() -> None:
    first = f"cpu  {' '.join(str(10**at) for at in range(10))}"
    assert (
        read_busy(f"{first}\ncpu0 1 2 3 4 5 6 7 8 9 10\n")
        == (1 + 10 + 100 + 100_000 + 1_000_000 + 10_000_000) / proc.TICKS
    )


def test_this_process_is_there_and_its_time_passes() -> None:
    before, began = proc.cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - began < 5 / proc.TICKS:
        pass
    assert round((proc.cpu_seconds(os.getpid()) - before) * proc.TICKS) >= 4
    assert proc.busy_seconds() >= proc.cpu_seconds(os.getpid())
    assert proc.pss_bytes(os.getpid()) > 1e6


@pytest.mark.processes
def test_the_time_of_a_child_is_counted_while_it_runs_and_after() -> None:
    before = proc.cpu_seconds(os.getpid())
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\ninput()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    assert proc.cpu_seconds(os.getpid()) - before >= 0.25
    assert proc.runnable(os.getpid())
    until(lambda: not proc.runnable(child.pid), "its wait for a line")
    child.communicate(b"\n")
    assert proc.cpu_seconds(os.getpid()) - before >= 0.25
