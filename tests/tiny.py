"""What tests train on: sentences of few words, and encoders of two layers and 32 dimensions."""

import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from diplomacy_nlp.dataset import Example, Examples
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.domains import WIDE, DomainSet
from diplomacy_nlp.first_stage import DistilConfig
from diplomacy_nlp.recipe import TrainConfig

# Threads have nothing to share in models this small, and would wait for one another.
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent

DOMAINS = DomainSet.of(["energy", "trade", "security"])
MAX_LENGTH_TOKENS = 24

_WORDS_OF_DOMAIN = {
    "energy": ("gas", "oil", "power"),
    "trade": ("trade", "market"),
    "security": ("defence", "security", "war"),
}
_VERB_OF_RELATION = {"cooperation": "agreed", "conflict": "against", "neutral": "said"}
_OTHER_WORDS = ("the", "minister", "on", "in", "a", "year", "and", "of", "two")
_BERT_ROLES = ("PAD", "UNK", "CLS", "SEP", "MASK")
_ROBERTA_TOKENS = {
    "cls": "<s>",
    "bos": "<s>",
    "pad": "<pad>",
    "sep": "</s>",
    "eos": "</s>",
    "unk": "<unk>",
}
_N_TOKENS = 800
_N_POSITIONS = 64
_WIDTH = 32
# The weights that decide which tokens attend to which.
_LOOKING = ("query", "key", "q_lin", "k_lin")


def written_examples() -> Examples:
    """Return the sentences written for this project, labelled with the thirteen domains."""
    return read_examples(ROOT / "data" / "written.jsonl", domains=WIDE)


def word_examples(n: int, *, seed: int = 0, with_relation: bool = True) -> Examples:
    """Return sentences whose domains and relation are plain from single words.

    Of ten, two are for dev and one is for test.
    """
    rng = random.Random(seed)  # noqa: S311 (no secrets)
    rows = []
    for number in range(n):
        domains = [name for name in DOMAINS.names if rng.random() < 0.4]
        relation = rng.choice(list(_VERB_OF_RELATION))
        words = rng.choices(_OTHER_WORDS, k=rng.randint(2, 5))
        words += [rng.choice(_WORDS_OF_DOMAIN[name]) for name in domains]
        words.append(_VERB_OF_RELATION[relation])
        rng.shuffle(words)
        rows.append(
            Example(
                " ".join(words),
                frozenset(domains),
                relation=relation if with_relation else None,
                split={7: "dev", 8: "dev", 9: "test"}.get(number % 10, "train"),
            )
        )
    return Examples(DOMAINS, tuple(rows), "words.jsonl")


def recipe(base_model: Path, **settings: Any) -> TrainConfig:
    """Return a recipe by which a tiny encoder learns :func:`word_examples` in seconds."""
    quick: dict[str, Any] = {
        "n_epochs": 4,
        "min_steps": 0,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "head_learning_rate_factor": 3.0,
        "relation_weight": 0.1,
        "max_length_tokens": MAX_LENGTH_TOKENS,
        "precision": "float32",
    }
    return TrainConfig(base_model=str(base_model), **(quick | settings))


def unlabelled_words() -> list[str]:
    """Return sentences of the kind of :func:`word_examples`, most of them others."""
    return word_examples(1500, seed=5).texts


def distil_recipe(**settings: Any) -> DistilConfig:
    """Return a recipe by which a first stage learns a good part of a tiny encoder in seconds."""
    quick: dict[str, Any] = {
        "embedding_dim": 8,
        "n_filters": 8,
        "n_epochs": 1,
        "batch_size": 16,
        "learning_rate": 2e-2,
        "label_repeats": 1,
        "max_error_share": 0.001,
    }
    return DistilConfig(**(quick | settings))


def build_encoder(kind: str, folder: Path) -> Path:
    """Save an encoder and its tokenizer as transformers does.

    Parameters
    ----------
    kind : {"bert", "distilbert", "roberta"}
        RoBERTa pads with 1 and counts positions from 2.
    folder : Path
        Where to.
    """
    tokenizer = _roberta_tokenizer() if kind == "roberta" else _bert_tokenizer()
    torch.manual_seed(0)
    model = _model(kind, len(tokenizer))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.add_((1.0 if "word_embeddings" in name else 0.02) * torch.randn_like(weight))
            # As if pre-trained: from layer to layer, every token hands on what the others are.
            if weight.shape == (_WIDTH, _WIDTH) and not any(part in name for part in _LOOKING):
                weight.add_(torch.eye(_WIDTH))
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _model(kind: str, n_tokens: int) -> PreTrainedModel:
    if kind == "distilbert":
        return DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=n_tokens,
                dim=_WIDTH,
                n_layers=2,
                n_heads=2,
                hidden_dim=64,
                dropout=0.0,
                attention_dropout=0.0,
                max_position_embeddings=_N_POSITIONS,
            )
        )
    shape = {
        "vocab_size": n_tokens,
        "hidden_size": _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    if kind == "roberta":
        return RobertaForSequenceClassification(
            RobertaConfig(
                **shape,
                max_position_embeddings=_N_POSITIONS + 2,
                type_vocab_size=1,
                bos_token_id=0,
                pad_token_id=1,
                eos_token_id=2,
            )
        )
    return BertForSequenceClassification(
        BertConfig(**shape, max_position_embeddings=_N_POSITIONS, pad_token_id=0)
    )


def _bert_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 (no password)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=_N_TOKENS,
        special_tokens=[f"[{role}]" for role in _BERT_ROLES],
        show_progress=False,
    )
    tokenizer.train_from_iterator(written_examples().texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{role.lower()}_token": f"[{role}]" for role in _BERT_ROLES},
    )


def _roberta_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_N_TOKENS,
        special_tokens=list(dict.fromkeys(_ROBERTA_TOKENS.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(written_examples().texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{f"{role}_token": token for role, token in _ROBERTA_TOKENS.items()},
    )
