from backends.served import Phase
from server.states import WorkerStates


def test_one_worker_is_the_backend() -> None:
    states = WorkerStates(1)
    states.hear(0, "ready", 12, 3)
    assert states.whole is states.each[0]
    assert (states.whole.phase, states.whole.pid, states.whole.restarts) == ("ready", 12, 3)


def phase(states: WorkerStates) -> Phase:
    return states.whole.phase


def test_several_are_ready_as_long_as_one_is() -> None:
    states = WorkerStates(2)
    assert phase(states) == "starting"
    states.hear(0, "ready", 12, 0)
    assert phase(states) == "ready"
    states.hear(1, "ready", 13, 0)
    states.hear(0, "away", None, 0)
    assert (phase(states), states.each[0].phase) == ("ready", "away")
    states.hear(1, "away", None, 0)
    assert phase(states) == "away"
    states.hear(1, "starting", 14, 1)
    assert phase(states) == "starting"


def test_restarts_add_up_and_there_is_no_one_process() -> None:
    states = WorkerStates(2)
    states.hear(0, "ready", 12, 2)
    states.hear(1, "ready", 13, 1)
    assert (states.whole.restarts, states.whole.pid) == (3, None)


def test_who_is_taken_out_of_the_vote_stays_out_whatever_its_workers_do() -> None:
    for count in (1, 2):
        states = WorkerStates(count)
        states.whole.enabled = False
        states.hear(0, "ready", 12, 0)
        assert not states.whole.enabled
