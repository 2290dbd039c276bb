"""What docs/scale.md tells a reader to type works, up to its section on clusters."""

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from diplomacy_nlp.cli import app
from diplomacy_nlp.domains import CORE

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)
}


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], flags=re.DOTALL)


@pytest.mark.usefixtures("fake_tagger")
def test_commands_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    lines = "".join(blocks("A folder in, a folder out", "console")).splitlines()
    assert len(lines) == 4
    for line in lines:
        prompt, program, *arguments = shlex.split(line)
        assert (prompt, program) == ("$", "diplomacy-nlp")
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{line}\n{result.output}"
    assert json.loads(Path("tags/progress.json").read_text())["is_finished"]
    table = parquet.read_table("tables/part-00000.parquet")
    assert set(re.findall(r"`(\w+)`", SECTIONS["A folder in, a folder out"].split("CSV: ")[1])) <= {
        *table.column_names,
        "probability_DOMAIN",
        "relation_probability_RELATION",
        "review",
    }
    assert Path("tags.csv.errors.jsonl").read_text() == ""


@pytest.mark.usefixtures("fake_tagger")
def test_one_liners_give_a_column_a_domain() -> None:
    names: dict[str, Any] = {}
    code = "\n".join(blocks("In a notebook", "python"))
    exec(compile(code, "scale.md", "exec"), names)  # noqa: S102 (our own)
    expected = [[True, False], [False, False], [False, True]]
    assert names["df"][["energy", "trade"]].to_numpy().tolist() == expected
    assert names["frame"].select("energy", "trade").to_numpy().tolist() == expected
    rows = names["dataset"].select_columns(["energy", "trade"]).to_list()
    assert [list(row.values()) for row in rows] == expected
    assert list(names["table"].columns) == ["article", "sentence", "domains", *CORE.names]
    assert names["table"]["article"].tolist() == [0, 0, 1]
