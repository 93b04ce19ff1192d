"""Files of rows: the same rows however they are written, and every mistake on its line."""

import io
from pathlib import Path

import msgspec
import pytest

from models.errors import InvalidRequest
from server.cells import Columns
from server.rows import CHUNK_BYTES, CHUNK_ROWS, Row, chunks, format_of, read_rows

TWO = Columns(("a", "b"), ("FP32", "FP32"))
MIXED = Columns(("n", "flag", "word"), ("INT64", "BOOL", "BYTES"))


def rows(text: str | bytes, name: str = "-", columns: Columns = TWO, *, ignore_extra: bool = False) -> list[object]:
    return [decoded for _, decoded in placed(text, name, columns, ignore_extra=ignore_extra)]


def placed(
    text: str | bytes, name: str = "-", columns: Columns = TWO, *, ignore_extra: bool = False
) -> list[tuple[str, object]]:
    raw = text.encode() if isinstance(text, str) else text
    stream = io.BufferedReader(io.BytesIO(raw))
    read = read_rows(stream, name, columns, ignore_extra=ignore_extra)
    return [(row.place, msgspec.json.decode(row.json)) for row in read]


def mistake(text: str | bytes, name: str = "-", columns: Columns = TWO) -> str:
    with pytest.raises(InvalidRequest) as caught:
        rows(text, name, columns)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "b,a\n2,1\n4,3\n",
        "\ufeffa;b\r\n1;2\r\n3;4",
        'a\t"b"\n 1\t2\n3\t 4\n\n',
        "[[1,2],[3,4]]",
        "[\n  [1, 2],\n  [3, 4]\n]\n",
        '{"instances": [[1,2],[3,4]]}',
        "[1,2]\n[3,4]\n",
        "\n[1,2]\n\n [3,4]",
    ],
)
def test_a_format_is_told_by_a_look(text: str) -> None:
    assert rows(text) == [[1, 2], [3, 4]]


def test_objects_are_rows_too() -> None:
    assert rows('{"a":1,"b":2}\n{"b":3,"a":4}') == rows('[{"a":1,"b":2},{"b":3,"a":4}]')
    assert rows('[ {"a":1} ]') == [{"a": 1}]


def test_a_suffix_is_believed() -> None:
    assert format_of(b"[1,2]") == "lines"
    assert rows("[[1,2],[3,4]]", "x.JSON") == [[1, 2], [3, 4]]
    assert rows("[[1,2],[3,4]]", "x.jsonl") == [[[1, 2], [3, 4]]]  # one row, which the model then refuses


def test_rows_know_their_lines() -> None:
    assert [place for place, _ in placed("a,b\n1,2\n\n3,4\n")] == ["line 2", "line 4"]
    assert [place for place, _ in placed("[1,2]\n\n[3,4]\n")] == ["line 1", "line 3"]
    text = '{"instances":\n [\n  [1,\n   2],\n  [1,\n   2], [3, 4]\n]}'
    assert [place for place, _ in placed(text)] == ["line 3, row 1", "line 5, row 2", "line 6, row 3"]
    assert [place for place, _ in placed("[\n 1,\n 1\n]", "x.json", Columns((), ("FP32",)))] == [
        "line 2, row 1",
        "line 3, row 2",
    ]


def test_a_cell_that_spans_lines_is_counted() -> None:
    columns = Columns(("a", "b"), ("FP32", "BYTES"))
    assert placed('a,b\n1,"x\ny"\n2,z\n', columns=columns) == [("line 3", [1, "x\ny"]), ("line 4", [2, "z"])]


def test_an_empty_cell_is_a_missing_value() -> None:
    assert rows("a,b\n1,\n ,2\n") == [[1, None], [None, 2]]


def test_cells_are_read_as_the_model_takes_them() -> None:
    assert rows("word,n,flag\n007,9007199254740993,TRUE\n", columns=MIXED) == [[9007199254740993, True, "007"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,x\n", "line 3: 'b': expected a number, got 'x'"),
        ("a,b\n1,nan\n", "line 2: 'b': expected a number, got 'nan'"),
        ("a,b\n1,1e999\n", "line 2: 'b': expected a number, got '1e999'"),
        ("a,b\n1,1_0\n", "line 2: 'b': expected a number, got '1_0'"),
        ("a,b\n1,2,3\n", "line 2: 3 cells, the header has 2"),
        ("a,b\n1\n", "line 2: 1 cells, the header has 2"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
        ("a,b,c,d\n", "line 1: columns that are no features: 'c', 'd'; to go without: --ignore-extra"),
        ("a\n", "line 1: missing columns: 'b'"),
        ("aa,b\n1,2", "line 1: missing columns: 'a' (no feature 'aa', did you mean 'a'?"),
        ("a,a,b\n", "line 1: the column 'a' is there twice"),
        ("1,2\n3,4\n", "line 1: no header: '1', '2'; the first line names the features"),
        ("", "no header: the first line names the features"),
        ("[1,2]\n[3\n", "line 2: no row, a JSON list or object: "),
        ("[1,2]\n3\n", "line 2: no row, a JSON list or object: "),
        ("[[1,2],\n[3,}]", "line 2, column 4: not JSON: expecting value"),
        ('{"instances": [[1,2]], "parameters": {}}', "expected a list of rows"),
        ('{"instances": 3}', "expected a list of rows"),
        (b"a,b\n1,2\n\xff,2\n", "after line"),
    ],
)
def test_what_is_no_row_is_named_with_its_line(text: str | bytes, expected: str) -> None:
    assert mistake(text).startswith(expected)


def test_extra_columns_and_keys_can_be_left_out() -> None:
    assert rows("x,b,a\n9,2,1\n", ignore_extra=True) == [[1, 2]]
    assert rows('[{"x":9,"a":1,"b":2}]', ignore_extra=True) == [{"a": 1, "b": 2}]
    assert rows("[[1,2]]", ignore_extra=True) == [[1, 2]]


def test_features_without_names_need_no_header_but_json() -> None:
    assert mistake("1,2\n", columns=Columns((), ("FP32", "FP32"))).endswith("use JSON")
    assert rows("[[1,2]]", columns=Columns((), ("FP32", "FP32"))) == [[1, 2]]


def test_a_file_is_read_as_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    path.write_text("a,b\n" + "1,2\n" * 200_000)
    with path.open("rb") as stream:
        read = read_rows(stream, path.name, TWO)
        for _ in range(10):
            next(read)
        assert stream.tell() < 100_000


def test_chunks_are_bounded_in_rows_and_in_bytes() -> None:
    assert [len(chunk) for chunk in chunks([Row("", b"[1]")] * (2 * CHUNK_ROWS + 1))] == [CHUNK_ROWS, CHUNK_ROWS, 1]
    large = Row("", b"1" * (CHUNK_BYTES // 2))
    assert [len(chunk) for chunk in chunks([large] * 4)] == [3, 1]
    assert list(chunks([])) == []
