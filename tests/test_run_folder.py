import json
from pathlib import Path
from typing import Any

import pytest

from diplomacy_nlp.documents import Position, Unreadable
from diplomacy_nlp.errors import ConfigError, DataError
from diplomacy_nlp.run_folder import Part, RunFolder, describe_inputs, total_bytes

RUN: dict[str, Any] = {"model": "a", "--lines": False, "--threshold": ["trade=0.5"]}


def open_run(path: Path, *, resume: bool = True, **changes: Any) -> RunFolder:
    return RunFolder(path, {**RUN, **changes}, ".jsonl", resume=resume)


def write_part(folder: RunFolder, *, position: Position) -> None:
    folder.next_part.write_text("{}\n")
    folder.note_part(2, 30, position)


def test_a_run_is_taken_up_behind_the_last_part_noted(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run"
    folder = open_run(path, resume=False)
    assert (folder.position, folder.parts) == (Position(), ())
    assert folder.next_part == path / "part-00000.jsonl"
    write_part(folder, position=Position(3, 7))

    again = open_run(path)

    assert again.position == Position(3, 7)
    assert again.parts == (Part("part-00000.jsonl", 2, 30),)
    assert again.next_part == path / "part-00001.jsonl"
    assert not again.is_finished
    again.note_end(Position(9))
    assert open_run(path).is_finished


def test_what_was_not_noted_is_dropped(tmp_path: Path) -> None:
    folder = open_run(tmp_path)
    folder.pass_over(Unreadable("a.txt", "damaged"))
    write_part(folder, position=Position(1))
    folder.pass_over(Unreadable("b.txt", "Ä \udc80"))
    for name in (".part-00001.jsonl.0123abcd", ".progress.json.0123abcd"):
        (tmp_path / name).write_text("half")

    again = open_run(tmp_path)

    errors = (tmp_path / "errors.jsonl").read_text()
    assert [json.loads(line)["document"] for line in errors.splitlines()] == ["a.txt"]
    assert again.n_unreadable == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "errors.jsonl",
        "part-00000.jsonl",
        "progress.json",
    ]


def test_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    open_run(tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_run(tmp_path, model="b", **{"--threshold": [], "--new": 1})
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: cannot be resumed; the run there was another one",
        'model: "a" then, "b" now',
        '--threshold: ["trade=0.5"] then, [] now',
        "--new: null then, 1 now",
    ]
    with pytest.raises(ConfigError, match="holds a run already; go on with it by --resume"):
        open_run(tmp_path, resume=False)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("x")
    for resume in (False, True):
        with pytest.raises(DataError, match=r"holds other files, such as notes\.md"):
            open_run(tmp_path, resume=resume)
    with pytest.raises(DataError, match=r"notes\.md/run: cannot be a folder of parts: Not a"):
        open_run(tmp_path / "notes.md" / "run")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 1}', '{"format_version": 2}'])
def test_a_damaged_progress_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.json").write_text(text)
    with pytest.raises(DataError, match=r"progress\.json: (is not the progress|format 2, from)"):
        open_run(tmp_path)


def test_a_part_that_is_gone_is_not_passed_over(tmp_path: Path) -> None:
    folder = open_run(tmp_path)
    write_part(folder, position=Position(1))
    (tmp_path / "part-00000.jsonl").unlink()
    with pytest.raises(DataError, match=r"part-00000\.jsonl: is missing, though it was written"):
        open_run(tmp_path)


def test_inputs_differ_by_name_order_and_size(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    for name in names:
        Path(name).write_text("1234")
    descriptions = {
        describe_inputs(names),
        describe_inputs(names[::-1]),
        describe_inputs(names[:1]),
    }
    Path(names[0]).write_text("12345")
    descriptions.add(describe_inputs(names))
    assert len(descriptions) == 4
    assert describe_inputs(names).startswith("2 files of 9 bytes, ")
    assert total_bytes(names) == 9
    assert total_bytes([*names, "-"]) is None
