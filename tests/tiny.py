"""Encoders of two layers and 32 dimensions: untrained, but of the kinds that users start from."""

from pathlib import Path

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

from diplomacy_nlp.dataset import Examples
from diplomacy_nlp.dataset_files import read_examples
from diplomacy_nlp.domains import WIDE

ROOT = Path(__file__).resolve().parent.parent

MAX_LENGTH_TOKENS = 32
_N_TOKENS = 800
_N_POSITIONS = 64


def written_examples() -> Examples:
    """Return the sentences written for this project, labelled with the thirteen domains."""
    return read_examples(ROOT / "data" / "written.jsonl", domains=WIDE)


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
    # As after training: an exporter merges weights that are all alike.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _model(kind: str, n_tokens: int) -> PreTrainedModel:
    if kind == "distilbert":
        return DistilBertForSequenceClassification(
            DistilBertConfig(
                vocab_size=n_tokens,
                dim=32,
                n_layers=2,
                n_heads=2,
                hidden_dim=64,
                max_position_embeddings=_N_POSITIONS,
            )
        )
    shape = {
        "vocab_size": n_tokens,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
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
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(written_examples().texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def _roberta_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_N_TOKENS,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(written_examples().texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
