import csv
from typing import Any

import msgspec

from server.records import Csv, JsonLines, Table, records_of

ANSWER: dict[str, Any] = {
    "predictions": ["no", "yes"],
    "labels": ["no", "yes"],
    "probabilities": [[0.75, 0.25], [0.1, 0.9]],
    "agreement": [1.0, 0.5],
    "outcome": {"degraded": False},
    "members": {
        "a": {"fate": "ok", "predictions": ["no", "no"], "probabilities": [[0.75, 0.25], [0.6, 0.4]]},
        "b": {"fate": "late", "reason": "timeout"},
    },
}
NUMBERS: dict[str, Any] = {"predictions": [1.5], "outcome": {"degraded": True}}


def test_each_row_is_a_record() -> None:
    first, second = records_of(ANSWER)
    assert first["probabilities"] == {"no": 0.75, "yes": 0.25}
    assert (second["prediction"], second["agreement"]) == ("yes", 0.5)
    assert second["members"] == {
        "a": {"prediction": "no", "probabilities": {"no": 0.6, "yes": 0.4}},
        "b": {"fate": "late", "reason": "timeout"},
    }
    assert "degraded" not in first


def test_members_that_were_not_asked_to_explain_are_left_out() -> None:
    (record,) = records_of(NUMBERS | {"members": {"a": {"fate": "ok"}}})
    assert record == {"prediction": 1.5, "degraded": True}


def test_json_lines_are_whole_records() -> None:
    lines = JsonLines().text(list(records_of(ANSWER))).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == list(records_of(ANSWER))


def test_csv_has_one_header_and_the_same_columns_for_all_chunks() -> None:
    style = Csv()
    text = style.text(list(records_of(ANSWER)))
    text += style.text(list(records_of(ANSWER | {"outcome": {"degraded": True}, "members": {}})))
    read = list(csv.DictReader(text.splitlines()))
    assert list(read[0]) == [
        "prediction", "probability no", "probability yes", "agreement", "degraded", "member a", "member b",
    ]  # fmt: skip
    assert [row["degraded"] for row in read] == ["false", "false", "true", "true"]
    assert [row["member b"] for row in read] == ["late", "late", "", ""]


def test_a_table_has_one_heading_and_counts_its_rows() -> None:
    style = Table()
    lines = (style.text(list(records_of(ANSWER))) + style.text(list(records_of(ANSWER)))).splitlines()
    assert lines[0].split()[:2] == ["row", "prediction"]
    assert [line.split()[:2] for line in lines[1:]] == [["1", "no"], ["2", "yes"], ["3", "no"], ["4", "yes"]]
    assert lines[0].index("agreement") == lines[2].index("0.5")


def test_a_cascade_has_a_stage_a_row_and_members_that_some_rows_did_not_need() -> None:
    members = {"a": {"fate": "ok", "predictions": [None, "yes"], "probabilities": [None, [0.4, 0.6]]}}
    first, second = records_of(ANSWER | {"stages": [1, 2], "members": members})
    assert (first["stage"], first["members"]) == (1, {"a": {"fate": "unneeded"}})
    assert (second["stage"], second["members"]["a"]["prediction"]) == (2, "yes")
    read = list(csv.DictReader(Csv().text([first, second]).splitlines()))
    assert [(row["stage"], row["member a"]) for row in read] == [("1", "unneeded"), ("2", "yes")]
