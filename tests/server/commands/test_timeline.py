"""What a terminal shows of requests."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from server.commands.timeline import bar, drawing_of, table_of, words

MEMBER: dict[str, Any] = {
    "name": "forest", "start_ms": 25.0, "duration_ms": 50.0, "fate": "ok", "reason": None, "weight": 1.0,
    "said": {"labels": ["no", "yes"], "probabilities": [[0.25, 0.75]], "predictions": ["yes"]},
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "id": "the-id", "time": "2001-09-09T01:46:40.000Z", "model": "m", "http_status": 200, "status": "decided",
    "elapsed_ms": 100.0, "answered": 1, "asked": 2, "decided": "decided by forest at 75 ms", "rows": 1, "quorum": 1,
    "decided_by": "forest", "decided_at_ms": 75.0, "at_deadline": False, "members": [MEMBER], "answer": MEMBER["said"],
}  # fmt: skip


def printed(what: RenderableType, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("start", "stop", "drawn"),
    [
        (0, 1, "████████"),
        (0.5, 1, "    ████"),
        (0, 0.25, "██"),
        (0.25, 0.5625, "  ██▌"),
        (0, 0, "▏"),
        (1, 1, "       █"),
        (0.875, 9, "       █"),
    ],
)
def test_a_bar_is_as_long_as_it_took(start: float, stop: float, drawn: str) -> None:
    assert bar(start, stop, 8) == drawn


def test_on_a_terminal_the_moment_of_decision_is_under_the_end_of_the_bar() -> None:
    lines = printed(drawing_of(REQUEST, bars=True)).splitlines()
    (member,) = [line for line in lines if line.startswith("forest")]
    (mark,) = [line for line in lines if "▲" in line]
    assert member.count("█") == 20
    assert mark.index("▲") == member.rindex("█") + 1
    assert mark.index("▲") - lines[4].index("0") == 30
    assert "75.00" in mark


def test_elsewhere_there_are_only_words_and_numbers() -> None:
    text = printed(drawing_of(REQUEST, bars=False))
    assert "█" not in text
    assert "▲" not in text
    assert "decided by forest at 75 ms" in text
    assert text.isascii()


def test_the_members_of_a_member_are_indented() -> None:
    nested = REQUEST | {"members": [MEMBER | {"members": [MEMBER | {"name": "inner"}]}]}
    assert "\n  inner " in printed(drawing_of(nested, bars=False))


def test_names_from_outside_are_not_read_as_markup() -> None:
    one = REQUEST | {"model": "[red]x[/red]", "id": "[bold]"}
    assert "[red]x[/red]" in printed(table_of([one]))
    assert "[red]x[/red]" in printed(drawing_of(one, bars=True))


def test_rows_that_were_not_kept_are_counted() -> None:
    said = {"labels": ["a", "b", "c", "d"], "probabilities": [[0.1, 0.2, 0.3, 0.4]]}
    assert words(said, 1) == "d 0.400, c 0.300, b 0.200"
    assert words(said, 9).endswith(" | and 8 more rows")
    assert words({"predictions": [], "labels": ["a"], "probabilities": []}, 2) == "and 2 more rows"
    assert words({"predictions": [1.5, 2]}, 2) == "1.5 | 2"


def test_the_stages_of_a_cascade_are_a_column_and_who_was_not_needed_has_no_bar() -> None:
    unneeded = MEMBER | {"name": "knn", "stage": 2, "fate": "unneeded", "start_ms": None, "duration_ms": None}
    one = REQUEST | {"members": [MEMBER | {"stage": 1}, {key: unneeded[key] for key in unneeded if key != "said"}]}
    lines = printed(drawing_of(one, bars=True)).splitlines()
    assert lines[4].split()[:2] == ["member", "stage"]
    (knn,) = [line for line in lines if line.startswith("knn")]
    assert knn.split() == ["knn", "2", "unneeded", "1"]
    (mark,) = [line for line in lines if "▲" in line]
    assert mark.index("▲") == next(line for line in lines if line.startswith("forest")).rindex("█") + 1


def test_rows_that_a_member_was_not_asked_about_are_dashes() -> None:
    said = {"labels": ["no", "yes"], "probabilities": [None, [0.25, 0.75]], "predictions": [None, "yes"]}
    assert words(said, 2) == "- | yes 0.750, no 0.250"
    assert words({"predictions": [None, 2.0]}, 2) == "- | 2"


def test_what_shadows_said_stands_under_the_answer() -> None:
    shadows = [
        {"name": "new", "fate": "ok", "reason": None, "duration_ms": 2.0, "said": MEMBER["said"]},
        {"name": "dead", "fate": "failed", "reason": "connect", "duration_ms": 0.5},
    ]
    text = printed(drawing_of(REQUEST | {"shadows": shadows}, bars=False))
    assert "shadow  new after 2.00 ms: yes 0.750, no 0.250" in text
    assert "shadow  dead after 0.50 ms: failed: connect" in text


def test_parts_are_drawn_one_under_the_other_with_those_that_each_asked() -> None:
    parts = [
        {"name": "prepare", "start_ms": 0.0, "duration_ms": 25.0, "fate": "ok", "reason": None},
        {
            "name": "vote", "start_ms": 25.0, "duration_ms": 50.0, "fate": "ok", "reason": None,
            "rows": list(range(10)), "when": "inputs.x > `1`", "members": [MEMBER],
        },
        {"name": "explain", "start_ms": None, "duration_ms": None, "fate": "skipped", "reason": "not_reached"},
    ]  # fmt: skip
    drawn = printed(drawing_of(REQUEST | {"parts": parts}, bars=True)).splitlines()
    prepare, vote, forest, explain = (
        next(line for line in drawn if line.strip().startswith(name))
        for name in ("prepare", "vote", "forest", "explain")
    )
    assert (prepare.count("█"), vote.count("█"), explain.count("█") + explain.count("▏")) == (10, 20, 0)
    assert vote.rstrip().endswith("rows 0, 1, 2, 3, 4, 5, 6, 7, ...: inputs.x > `1`")
    assert forest.startswith("  forest")
    assert "skipped: not_reached" in explain


def test_parts_without_a_vote_have_no_moment_of_decision() -> None:
    part = {"name": "one", "start_ms": 0.0, "duration_ms": 50.0, "fate": "ok", "reason": None}
    request = {key: value for key, value in REQUEST.items() if key not in ("members", "quorum", "decided_at_ms")}
    assert "▲" not in printed(drawing_of(request | {"parts": [part]}, bars=True))
