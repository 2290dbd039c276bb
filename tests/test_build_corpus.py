"""The corpus builder on small git repositories, and the annotations that it starts from."""

import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from diplomacy_nlp.domains import RELATIONS, WIDE
from diplomacy_nlp.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
SPLITS = ("train", "dev", "test", "test_source")

sys.path.insert(0, str(ROOT / "training"))
build_corpus = importlib.import_module("build_corpus")

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A file, what its variant makes of it, the part that is pointed at, and the sentence."""

    path: str
    variant: str
    content: str
    decoded: str
    span: str
    sentence: str


CASES = [
    Case(
        "plain/line breaks.txt",
        "raw",
        content="At noon\nGhana and Togo\n  signed a pact. Rain fell.",
        decoded="At noon\nGhana and Togo\n  signed a pact. Rain fell.",
        span="Ghana and Togo\n  signed a pact.",
        sentence="Ghana and Togo signed a pact.",
    ),
    Case(
        "tags/between words.md",
        "raw",
        content="<p>Chad,<br />\nsays <b>Annex A</b>, will host Mali.</p>",
        decoded="<p>Chad,<br />\nsays <b>Annex A</b>, will host Mali.</p>",
        span="Chad,<br />\nsays <b>Annex A</b>, will host Mali.",
        sentence="Chad, says Annex A , will host Mali.",
    ),
    Case(
        "tags/inside a word.md",
        "raw",
        content="The 21<sup>st</sup> round opened in Doha &amp; closed in Riyadh.",
        decoded="The 21<sup>st</sup> round opened in Doha &amp; closed in Riyadh.",
        span="The 21<sup>st</sup> round opened in Doha &amp; closed in Riyadh.",
        sentence="The 21st round opened in Doha & closed in Riyadh.",
    ),
    Case(
        "markdown.md",
        "raw",
        content="Peru met [the **Andean\nbloc**](https://example.org/a_(b)){.x} for \\$5 \\[m\\].",
        decoded="Peru met [the **Andean\nbloc**](https://example.org/a_(b)){.x} for \\$5 \\[m\\].",
        span="Peru met [the **Andean\nbloc**](https://example.org/a_(b)){.x} for \\$5 \\[m\\].",
        sentence="Peru met the Andean bloc for $5 [m].",
    ),
    Case(
        "Türkiye’s page.xml",
        "html",
        content="<p>&#8220;Yes&rdquo;, said Fiji &amp; Tonga <i>to</i> Samoa.</p>",
        decoded="<p>“Yes”, said Fiji & Tonga <i>to</i> Samoa.</p>",
        span="“Yes”, said Fiji & Tonga <i>to</i> Samoa.",
        sentence="“Yes”, said Fiji & Tonga to Samoa.",
    ),
    Case(
        "escaped twice.xml",
        "html2",
        content="&amp;lt;b&amp;gt;Oil &amp;amp; gas&amp;lt;/b&amp;gt; go to Laos.",
        decoded="<b>Oil & gas</b> go to Laos.",
        span="Oil & gas</b> go to Laos.",
        sentence="Oil & gas go to Laos.",
    ),
    Case(
        "table.csv",
        "csv",
        content='1,"The ""Nile"" pact binds Sudan."\n',
        decoded='1,"The "Nile" pact binds Sudan."\n',
        span='The "Nile" pact binds Sudan.',
        sentence='The "Nile" pact binds Sudan.',
    ),
    Case(
        "byte order mark.txt",
        "raw",
        content="\ufeffOne.\r\nTwo.\r\nCuba and Haiti\r\nmet.",
        decoded="One.\nTwo.\nCuba and Haiti\nmet.",
        span="Cuba and Haiti\nmet.",
        sentence="Cuba and Haiti met.",
    ),
]


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, away from the settings and hooks of the machine."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=inherited | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit_files(folder: Path, files: dict[str, str]) -> str:
    """Commit files in a repository, new or not, and return the commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet")
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=files")
    return git(folder, "rev-parse", "HEAD")


def annotation(case: Case, commit: str, **changes: object) -> Row:
    """Return the annotation of a case, with changes; a key changed to None is left out."""
    start = case.decoded.index(case.span)
    row = {
        "id": case.path,
        "domains": ["trade"],
        "relation": "cooperation",
        "split": "train",
        "doc": case.path,
        "repo": "owner/name",
        "commit": commit,
        "path": case.path,
        "variant": case.variant,
        "start": start,
        "end": start + len(case.span),
        "annotators": 1,
        "sha256": hashlib.sha256(case.sentence.encode()).hexdigest(),
    }
    return {key: value for key, value in (row | changes).items() if value is not None}


def write_rows(rows: list[Row], path: Path) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def labelled(row: Row, text: str) -> Row:
    rest = {key: value for key, value in row.items() if key not in ("id", "sha256")}
    return {"id": row["id"], "text": text, **rest}


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with one clone, whose files have changed since the commit returned with it."""
    folder = tmp_path_factory.mktemp("clones")
    clone = folder / "owner" / "name"
    commit = commit_files(clone, {case.path: case.content for case in CASES})
    commit_files(clone, dict.fromkeys((case.path for case in CASES), "Rewritten since."))
    return folder, commit


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_sentence_is_cut_out_at_its_commit(case: Case, clones: tuple[Path, str]) -> None:
    folder, commit = clones
    row = annotation(case, commit)
    (sentence,) = build_corpus.rebuild([row], folder)
    assert sentence.problem == ""
    assert sentence.row == labelled(row, case.sentence)
    assert list(sentence.row)[:3] == ["id", "text", "domains"]


def test_clones_are_only_read(clones: tuple[Path, str]) -> None:
    folder, commit = clones
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    build_corpus.rebuild([annotation(case, commit) for case in CASES], folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("bare", [True, False])
def test_clone_may_be_bare_and_stand_under_its_name_alone(
    bare: bool, clones: tuple[Path, str], tmp_path: Path
) -> None:
    folder, commit = clones
    kind = "--bare" if bare else "--no-checkout"
    git(tmp_path, "clone", "--quiet", kind, str(folder / "owner" / "name"), "name")
    sentences = build_corpus.rebuild([annotation(case, commit) for case in CASES], tmp_path)
    assert [sentence.text for sentence in sentences] == [case.sentence for case in CASES]


def test_problems_are_told_apart(clones: tuple[Path, str]) -> None:
    folder, commit = clones
    case = CASES[0]
    sentences = build_corpus.rebuild(
        [
            annotation(case, commit),
            annotation(case, commit, id="a", repo="owner/other"),
            annotation(case, "0" * 40, id="b"),
            annotation(case, commit, id="c", path="plain/none.txt"),
            annotation(case, commit, id="d", variant=None, start=None, end=None),
            annotation(case, commit, id="e", start=0),
        ],
        folder,
    )
    expected = ["", "no clone", "no such commit", "no such file", "no span", "differs"]
    assert [sentence.problem for sentence in sentences] == expected


def test_broken_clone_is_reported(tmp_path: Path) -> None:
    (tmp_path / "name").mkdir()
    (tmp_path / "name" / "HEAD").write_text("not a repository\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"git cannot read .*name"):
        build_corpus.rebuild([annotation(CASES[0], "0" * 40)], tmp_path)


def test_git_is_needed(clones: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, commit = clones
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DataError, match="needs git"):
        build_corpus.rebuild([annotation(CASES[0], commit)], folder)


def test_command_writes_what_it_found(
    clones: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, commit = clones
    rows = [annotation(case, commit) for case in CASES]
    rows.append(annotation(CASES[0], commit, id="unplaced", variant=None, start=None, end=None))
    annotations = write_rows(rows, tmp_path / "annotations.jsonl")
    output = tmp_path / "new" / "labelled.jsonl"
    options = ["--annotations", str(annotations), "--clones", str(folder)]
    assert build_corpus.main([*options, "--output", str(output)]) == 0
    assert build_corpus.read_rows(output) == [
        labelled(row, case.sentence) for row, case in zip(rows[:-1], CASES, strict=True)
    ]
    assert [path.name for path in output.parent.iterdir()] == ["labelled.jsonl"]
    printed = capsys.readouterr().out
    assert f"{len(CASES)} of {len(CASES) + 1} sentences found and checked." in printed
    assert "owner/name: 1 no span" in printed


def test_command_says_what_is_missing_and_how_to_get_it(
    clones: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, commit = clones
    rows = [
        annotation(CASES[0], commit),
        annotation(CASES[1], commit, start=1),
        annotation(CASES[2], "0" * 40),
        annotation(CASES[3], commit, repo="owner/other"),
    ]
    annotations = write_rows(rows, tmp_path / "annotations.jsonl")
    output = tmp_path / "labelled.jsonl"
    options = ["--annotations", str(annotations), "--clones", str(folder)]
    assert build_corpus.main([*options, "--output", str(output)]) == 1
    assert len(build_corpus.read_rows(output)) == 1
    printed = capsys.readouterr().out
    assert "1 of 4 sentences found and checked." in printed
    assert "owner/name: 1 differs, 1 no such commit" in printed
    assert f"fetch https://github.com/owner/name {'0' * 40}" in printed
    assert "owner/other: 1 no clone" in printed
    assert f"https://github.com/owner/other {folder}/owner/other" in printed


def test_ready_file_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [annotation(case, "0" * 40) for case in CASES[:5]]
    annotations = write_rows(rows, tmp_path / "annotations.jsonl")
    ready = [labelled(row, case.sentence) for row, case in zip(rows, CASES[:5], strict=True)]
    options = ["--annotations", str(annotations), "--corpus", str(tmp_path)]
    path = write_rows(ready, tmp_path / "labelled.jsonl")
    assert build_corpus.main(options) == 0
    ready[0]["text"] += " "
    ready[1]["domains"] = ["energy"]
    del ready[2]["text"]
    write_rows(ready[:4], path)
    assert build_corpus.main(options) == 1
    assert "owner/name: 3 differs, 1 not there" in capsys.readouterr().out
    write_rows([*ready, labelled(rows[0], "More.") | {"id": "more"}], path)
    assert build_corpus.main(options) == 1
    assert "1 sentences are not in the annotations" in capsys.readouterr().err


def test_find_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = annotation(CASES[0], "0" * 40)
    annotations = write_rows([row], tmp_path / "annotations.jsonl")
    monkeypatch.setattr(build_corpus, "_ANNOTATIONS", annotations)
    monkeypatch.setattr(build_corpus, "_CORPUS_FOLDERS", (tmp_path / "none", tmp_path))
    with pytest.raises(DataError, match=r"no labelled\.jsonl in .*none or .*--clones FOLDER"):
        build_corpus.find_labelled()
    path = write_rows([labelled(row, CASES[0].sentence)], tmp_path / "labelled.jsonl")
    assert build_corpus.find_labelled() == path
    assert build_corpus.find_labelled(tmp_path) == path
    write_rows([labelled(row, "Another sentence.")], path)
    with pytest.raises(DataError, match=r"is not the corpus .*: 1 differs\. Rebuild it"):
        build_corpus.find_labelled()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"id": "a"}\nnot JSON\n', "line 2: not JSON"),
        (b"\xff\xfe\n", "line 1: not JSON in UTF-8"),
    ],
)
def test_broken_annotations_are_reported(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "annotations.jsonl"
    path.write_bytes(content)
    assert build_corpus.main(["--annotations", str(path), "--clones", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_absent_annotations_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "none.jsonl"
    assert build_corpus.main(["--annotations", str(path), "--clones", str(tmp_path)]) == 1
    assert "No such file" in capsys.readouterr().err


def test_wrong_use_exits_with_2(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_info:
        build_corpus.main(["--clones", str(tmp_path), "--corpus", str(tmp_path)])
    assert exit_info.value.code == 2


@pytest.fixture(scope="module")
def annotations() -> list[Row]:
    rows: list[Row] = build_corpus.read_rows(ROOT / "data" / "annotations.jsonl")
    return rows


@pytest.fixture(scope="module")
def doubted() -> list[Row]:
    rows: list[Row] = build_corpus.read_rows(ROOT / "data" / "doubted.jsonl")
    return rows


@pytest.fixture(scope="module")
def written() -> list[Row]:
    rows: list[Row] = build_corpus.read_rows(ROOT / "data" / "written.jsonl")
    return rows


@pytest.fixture(scope="module")
def reports() -> list[Row]:
    rows: list[Row] = build_corpus.read_rows(ROOT / "data" / "reports.jsonl")
    return rows


def test_annotations_hold_pointers_and_no_sentence(annotations: list[Row]) -> None:
    assert len(annotations) == len({row["id"] for row in annotations}) == 11_311
    assert len({row["sha256"] for row in annotations}) == 11_311
    for row in annotations:
        assert "text" not in row
        assert re.fullmatch("[0-9a-f]{40}", row["commit"])
        assert re.fullmatch("[0-9a-f]{64}", row["sha256"])
        assert ("variant" in row) == ("start" in row) == ("end" in row)
        assert "start" not in row or 0 <= row["start"] < row["end"]
    assert sum("start" not in row for row in annotations) == 17


def test_doubted_rows_hold_hashes_and_no_sentence(
    doubted: list[Row], annotations: list[Row]
) -> None:
    keys = {"source", "doc", "sent", "domains", "relation", "split", "sha256"}
    assert {frozenset(row) for row in doubted} == {frozenset(keys)}
    hashes = {row["sha256"] for row in doubted}
    assert len(hashes) == len(doubted)
    assert not hashes & {row["sha256"] for row in annotations}
    scored = {row["doc"] for row in annotations if row["split"] != "train"}
    assert not scored & {row["doc"] for row in doubted}


def test_labels_are_of_the_codebook(
    annotations: list[Row], doubted: list[Row], written: list[Row], reports: list[Row]
) -> None:
    assert {row["split"] for row in annotations} == set(SPLITS)
    assert {row["split"] for row in doubted} == {"train"}
    assert {row["split"] for row in written} == {"train", "dev", "test"}
    assert {row["split"] for row in reports} == {"test"}
    assert not {row["text"] for row in reports} & {row["text"] for row in written}
    for row in [*annotations, *doubted, *written, *reports]:
        assert row["relation"] in RELATIONS
        assert row["domains"] == [name for name in WIDE.names if name in row["domains"]]


def test_documents_never_cross_splits(annotations: list[Row]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in annotations:
        splits[row["doc"]].add(row["split"])
    assert all(len(of_document) == 1 for of_document in splits.values())


def table_row(name: str, rows: list[Row], splits: tuple[str, ...]) -> str:
    """Return the line of a table of data/README.md: how many rows there are a split, and in all."""
    counts = Counter(row["split"] for row in rows)
    cells = [name, *(f"{counts[split]:,}" for split in splits), f"{len(rows):,}"]
    return f"| {' | '.join(cells)} |"


def test_readme_counts_are_those_of_the_files(
    annotations: list[Row], doubted: list[Row], written: list[Row], reports: list[Row]
) -> None:
    lines = (ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    for source in {row["source"] for row in annotations}:
        of_source = [row for row in annotations if row["source"] == source]
        assert table_row(f"`{source}`", of_source, SPLITS) in lines
    for source, n_rows in Counter(row["source"] for row in doubted).items():
        assert f"| `{source}` | {n_rows:,} |" in lines
    for rows, splits in (
        (annotations, SPLITS),
        (doubted, ()),
        (written, ("train", "dev", "test")),
        (reports, ()),
    ):
        groups = {name: [row for row in rows if name in row["domains"]] for name in WIDE.names}
        groups["no domain"] = [row for row in rows if not row["domains"]]
        groups |= {name: [row for row in rows if row["relation"] == name] for name in RELATIONS}
        groups["all"] = rows
        for name, group in groups.items():
            assert table_row(name, group, splits) in lines
