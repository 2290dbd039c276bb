import dataclasses
import importlib.util
import shutil

import numpy as np
import pytest
import tiny
import torch
from tokenizers import Tokenizer
from transformers.utils import logging as transformers_logging

from diplomacy_nlp import encoders
from diplomacy_nlp.encoders import (
    load_encoder,
    longest_window_tokens,
    quiet_transformers,
    restore_encoder,
    torch_logits,
)
from diplomacy_nlp.errors import MissingExtraError, ModelDamagedError, TrainingError
from diplomacy_nlp.model_files import read_model_config
from diplomacy_nlp.recipe import MINILM


def state(encoder):
    return encoder.model.state_dict()


class TestLoadEncoder:
    def test_weights_of_transformers(self, tiny_encoder):
        encoder = load_encoder(str(tiny_encoder), 5, seed=0)
        assert encoder.model.config.num_labels == 5
        assert {p.dtype for p in encoder.model.parameters()} == {torch.float32}
        assert encoder.tokenizer.pad_token_id == 0
        other = load_encoder(str(tiny_encoder), 7, seed=1)
        body = encoder.model.base_model.state_dict()
        for name, value in other.model.base_model.state_dict().items():
            assert torch.equal(value, body[name])

    def test_seed_of_the_head(self, tiny_encoder):
        first, again, other = (
            state(load_encoder(str(tiny_encoder), 5, seed))["classifier.weight"]
            for seed in (1, 1, 2)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    @pytest.mark.parametrize("what", ["nothing", "empty folder", "foreign folder"])
    def test_cannot_be_loaded(self, tmp_path, what, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        folder = tmp_path / "encoder"
        if what != "nothing":
            folder.mkdir()
        if what == "foreign folder":
            (folder / "config.json").write_text('{"model_type": "kettle"}')
        with pytest.raises(TrainingError, match=f"base model '{folder}' cannot be loaded"):
            load_encoder(str(folder), 3, 0)

    def test_a_damaged_model_folder(self, tiny_model, tmp_path):
        copied = shutil.copytree(tiny_model, tmp_path / "model")
        (copied / "tokenizer.json").unlink()
        with pytest.raises(ModelDamagedError):
            load_encoder(str(copied), 3, 0)


class TestModelFolderAsBase:
    def test_same_body_new_head(self, tiny_model):
        restored = restore_encoder(tiny_model, read_model_config(tiny_model))
        encoder = load_encoder(str(tiny_model), 4, seed=0)
        body = restored.model.base_model.state_dict()
        for name, value in encoder.model.base_model.state_dict().items():
            assert torch.equal(value, body[name])
        assert state(encoder)["classifier.weight"].shape == (4, 32)
        again = load_encoder(str(tiny_model), 4, seed=0)
        assert torch.equal(state(again)["classifier.weight"], state(encoder)["classifier.weight"])

    def test_tokenizer(self, tiny_model, tiny_encoder, words):
        restored = restore_encoder(tiny_model, read_model_config(tiny_model)).tokenizer
        original = load_encoder(str(tiny_encoder), 4, seed=0).tokenizer
        assert restored.pad_token_id == original.pad_token_id
        assert restored.special_tokens_map == original.special_tokens_map
        assert restored(words.texts)["input_ids"] == original(words.texts)["input_ids"]

    def test_a_baseline_is_no_encoder(self, tiny_baseline):
        with pytest.raises(TrainingError, match="holds a baseline, which is no encoder"):
            load_encoder(str(tiny_baseline), 3, 0)

    def test_weights_are_missing(self, tiny_model):
        config = read_model_config(tiny_model)
        deeper = dataclasses.replace(config, encoder=config.encoder | {"num_hidden_layers": 3})
        with pytest.raises(TrainingError, match=r"lacks the weights bert\.encoder\.layer\.2\."):
            restore_encoder(tiny_model, deeper)


class TestMiniLM:
    def test_the_installed_encoder(self):
        encoder = load_encoder(MINILM, 2, seed=0)
        assert encoder.model.config.hidden_size == 384
        logits = torch_logits(encoder, ["Two states agreed on gas."], 16)
        assert logits.shape == (1, 2)

    def test_another_checksum(self, monkeypatch):
        monkeypatch.setattr(encoders, "_MINILM_SHA256", "0" * 64)
        with pytest.raises(TrainingError, match="is not the original all-MiniLM-L6-v2"):
            load_encoder(MINILM, 2, seed=0)

    def test_not_installed(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(MissingExtraError, match=r'pip install "diplomacy-nlp\[train\]"'):
            load_encoder(MINILM, 2, seed=0)


class TestTorchLogits:
    def test_order_and_padding_do_not_matter(self, tiny_encoder, words):
        encoder = load_encoder(str(tiny_encoder), 3, seed=0)
        encoder.model.eval()
        texts = [*words.texts[:50], "gas and war " * 9]
        logits = torch_logits(encoder, texts, tiny.MAX_LENGTH_TOKENS, batch_size=7)
        assert logits.dtype == np.float32
        for text, expected in zip(texts, logits, strict=True):
            alone = torch_logits(encoder, [text], tiny.MAX_LENGTH_TOKENS)[0]
            np.testing.assert_allclose(alone, expected, rtol=0, atol=1e-5)

    def test_nothing(self, tiny_encoder):
        encoder = load_encoder(str(tiny_encoder), 3, seed=0)
        assert torch_logits(encoder, [], 16).shape == (0, 3)


def test_longest_window(tmp_path, tiny_encoder):
    assert longest_window_tokens(load_encoder(str(tiny_encoder), 3, 0)) == 64
    roberta = tiny.build_encoder("roberta", tmp_path)
    encoder = load_encoder(str(roberta), 3, 0)
    assert encoder.model.config.max_position_embeddings == 66
    assert longest_window_tokens(encoder) == 64
    encoder.model.roberta.embeddings.position_embeddings = None
    assert longest_window_tokens(encoder) is None


def test_quiet_transformers():
    before = (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled())
    with quiet_transformers():
        assert not transformers_logging.is_progress_bar_enabled()
    assert before == (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )


def test_the_tokenizer_of_a_folder_is_that_of_its_encoder(tiny_model, tiny_encoder):
    ours = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    theirs = Tokenizer.from_file(str(tiny_encoder / "tokenizer.json"))
    assert ours.get_vocab() == theirs.get_vocab()
