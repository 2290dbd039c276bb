import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from diplomacy_nlp import processes
from diplomacy_nlp.dataset_writer import write_examples
from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.processes import check_batch_size, from_main, is_main, main_speaks, n_processes
from diplomacy_nlp.tagger import Tagger


@pytest.fixture
def second_of_four(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")


def torchrun(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a module or a script in two processes of one thread each, on the CPU."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        + [str(argument) for argument in arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=tiny.ROOT,
    )


@main_speaks()
def speak(error: Exception | None = None) -> None:
    sys.stdout.write("out")
    sys.stderr.write("err")
    if error is not None:
        raise error


def own_lines(output: str) -> list[str]:
    """Return the lines that are not the launcher's."""
    return [line for line in output.splitlines() if line.startswith(("error:", "warning:"))]


class TestWithoutALauncher:
    def test_one_process(self, monkeypatch):
        for name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name, raising=False)
        assert n_processes() == 1
        assert is_main()
        made = object()
        assert from_main(lambda: made) is made
        check_batch_size(7)

    def test_prints_and_fails_as_ever(self, capsys):
        with pytest.raises(KeyError):
            speak(KeyError())
        assert capsys.readouterr() == ("out", "err")


@pytest.mark.usefixtures("second_of_four")
class TestAnotherProcess:
    def test_number(self):
        assert n_processes() == 4
        assert processes.rank() == 1
        assert not is_main()

    def test_batches_to_share(self):
        check_batch_size(32)
        with pytest.raises(ConfigError) as caught:
            check_batch_size(30)
        assert str(caught.value) == (
            "batch_size is 30; in 4 processes it must be a multiple of 4, since they share each "
            "batch"
        )

    def test_is_silent_and_fails_after_the_main_one(self, monkeypatch, capsys):
        slept = []
        monkeypatch.setattr(processes.time, "sleep", slept.append)
        speak()
        assert slept == []
        with pytest.raises(KeyError):
            speak(KeyError())
        assert slept == [processes._LAST_WORDS_SECONDS]
        assert capsys.readouterr() == ("", "")


class TestTwoProcesses:
    def test_what_the_main_one_makes(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(
            "import os, sys\n"
            "from diplomacy_nlp.processes import from_main, main_speaks, rank\n"
            "made = from_main(lambda: {'by': rank(), 'pid': os.getpid()})\n"
            "open(sys.argv[1] + str(rank()), 'w').write(repr(made))\n"
            "with main_speaks():\n"
            "    from_main(lambda: sys.exit('error: the disk is full'))\n"
        )
        result = torchrun(script, tmp_path / "made")
        made = [Path(f"{tmp_path}/made{rank}").read_text() for rank in range(2)]
        assert made[0] == made[1]
        assert made[0].startswith("{'by': 0,")
        assert result.returncode != 0
        assert own_lines(result.stderr) == ["error: the disk is full"]

    def test_a_wrong_recipe_is_told_once(self, words, tiny_encoder, tmp_path):
        recipe = write_recipe(tmp_path, tiny_encoder, batch_size=9)
        write_examples(words, tmp_path / "words.jsonl")
        result = torchrun(
            "-m", "diplomacy_nlp", "train", tmp_path / "words.jsonl", "--recipe", recipe,
            "--output", tmp_path / "model", "--domains", ",".join(words.domains.names),
        )  # fmt: skip
        assert result.returncode != 0
        [line] = own_lines(result.stderr)
        assert line.startswith("error: batch_size is 9; in 2 processes it must be a multiple of 2")
        assert not (tmp_path / "model").exists()

    def test_trains_the_model_of_one_process(self, words, tiny_encoder, tiny_model, tmp_path):
        """They go through the same batches, of which each computes a half.

        All rows tell their relation and the last batch is full, so that only rounding differs:
        that of sums in fp32, and then of int8, which is why probabilities move a little.
        """
        recipe = write_recipe(tmp_path, tiny_encoder)
        write_examples(words, tmp_path / "words.jsonl")
        folder = tmp_path / "model"
        result = torchrun(
            "-m", "diplomacy_nlp", "train", tmp_path / "words.jsonl", "--recipe", recipe,
            "--output", folder, "--domains", ",".join(words.domains.names),
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("The model is in") == 1
        assert result.stdout.count("40 sentences") == 1
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["model"]

        tagger, of_one_process = Tagger.load(folder), Tagger.load(tiny_model)
        np.testing.assert_allclose(
            tagger.predict_proba(words.texts),
            of_one_process.predict_proba(words.texts),
            rtol=0,
            atol=0.05,
        )
        metrics, expected = (
            json.loads((path / "metrics.json").read_text()) for path in (folder, tiny_model)
        )
        assert metrics["machine"]["n_processes"] == 2
        for name in ("dev", "test"):
            score, wanted = (m["scores"][name]["macro_f1"]["value"] for m in (metrics, expected))
            assert score == pytest.approx(wanted, abs=0.02)
        assert metrics["baseline_scores"] == expected["baseline_scores"]


def write_recipe(folder: Path, encoder: Path, **settings: object) -> Path:
    recipe = tiny.recipe(encoder, **settings).to_dict()
    path = folder / "recipe.toml"
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in recipe.items()))
    return path
