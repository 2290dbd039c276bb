import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from diplomacy_nlp.errors import ConfigError
from diplomacy_nlp.recipe import TrainConfig, read_recipe

RECIPES = Path(__file__).resolve().parent.parent / "training" / "recipes"


@pytest.fixture
def recipe_file(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


class TestTrainConfig:
    def test_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            TrainConfig().seed = 1

    def test_to_dict_is_json(self):
        config = TrainConfig(default_domains=("trade", "energy"), seed=3)
        plain = config.to_dict()
        assert json.loads(json.dumps(plain)) == plain
        assert plain["default_domains"] == ["trade", "energy"]
        assert set(plain) == {field.name for field in dataclasses.fields(TrainConfig)}

    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("architecture", "lstm", "one of transformer, baseline"),
            ("precision", "int4", "one of auto, bf16, float32"),
            ("max_length_tokens", 7, "at least 8"),
            ("n_epochs", 0, "at least 1"),
            ("patience_epochs", 0, "at least 1"),
            ("batch_size", -1, "at least 1"),
            ("learning_rate", 0.0, "above 0"),
            ("learning_rate", float("nan"), "above 0"),
            ("head_learning_rate_factor", -1.0, "above 0"),
            ("layer_decay", 0.0, "in (0, 1]"),
            ("layer_decay", 1.1, "in (0, 1]"),
            ("min_steps", -1, "at least 0"),
            ("weight_decay", -0.1, "at least 0"),
            ("relation_weight", -0.1, "at least 0"),
            ("warmup_share", 1.0, "in [0, 1)"),
            ("label_smoothing", -0.1, "in [0, 1)"),
            ("dev_share", 0.0, "in (0, 0.5)"),
            ("test_share", 0.5, "in (0, 0.5)"),
            ("seed", -1, "in [0, 2**32)"),
            ("seed", 2**32, "in [0, 2**32)"),
        ],
    )
    def test_out_of_range(self, name, value, wanted):
        with pytest.raises(ConfigError) as caught:
            TrainConfig(**{name: value})
        assert str(caught.value) == f"{name} is {value!r}; it must be {wanted}"


class TestReadRecipe:
    def test_every_setting(self, recipe_file):
        config = TrainConfig(
            architecture="baseline",
            base_model="some/encoder",
            max_length_tokens=64,
            n_epochs=2,
            n_runs=3,
            min_steps=50,
            patience_epochs=1,
            batch_size=8,
            learning_rate=2e-5,
            head_learning_rate_factor=3.0,
            layer_decay=0.9,
            weight_decay=0.0,
            warmup_share=0.2,
            label_smoothing=0.05,
            relation_weight=0.1,
            n_unlabelled=9,
            default_domains=("trade", "energy"),
            precision="float32",
            dev_share=0.2,
            test_share=0.3,
            seed=7,
        )
        text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in config.to_dict().items())
        assert all(
            getattr(config, field.name) != field.default for field in dataclasses.fields(config)
        )
        assert read_recipe(recipe_file(text)) == config

    def test_empty_file_is_the_default(self, recipe_file):
        assert read_recipe(str(recipe_file("# nothing\n"))) == TrainConfig()

    def test_whole_numbers_become_floats(self, recipe_file):
        config = read_recipe(recipe_file("weight_decay = 1"))
        assert type(config.weight_decay) is float

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("epochs = 3", "unknown key 'epochs'. Valid: architecture, base_model"),
            ("[training]\nseed = 3", "unknown key 'training'"),
            ("n_epochs = 2.5", "n_epochs is 2.5; a whole number is wanted"),
            ("n_epochs = true", "n_epochs is True; a whole number is wanted"),
            ("learning_rate = '1e-4'", "learning_rate is '1e-4'; a number is wanted"),
            ("default_domains = 'trade'", "default_domains is 'trade'; a list of names is wanted"),
            ("n_epochs = 0", "n_epochs is 0; it must be at least 1"),
            ("seed = ", "not a TOML file"),
        ],
    )
    def test_what_means_nothing(self, recipe_file, text, message):
        path = recipe_file(text)
        with pytest.raises(ConfigError) as caught:
            read_recipe(path)
        assert str(caught.value).startswith(f"{path}: {message}")

    def test_wrong_encoding(self, tmp_path):
        path = tmp_path / "latin.toml"
        path.write_bytes('base_model = "é"'.encode("latin-1"))
        with pytest.raises(ConfigError, match="not a TOML file"):
            read_recipe(path)

    def test_missing_file(self, tmp_path):
        with pytest.raises(ConfigError, match="No such file"):
            read_recipe(tmp_path / "none.toml")

    def test_folder(self, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_recipe(tmp_path)

    @pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
    def test_shipped_recipes(self, path):
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        read = read_recipe(path).to_dict()
        assert {key: read[key] for key in settings} == settings
