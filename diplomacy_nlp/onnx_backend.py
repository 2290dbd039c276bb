"""From sentences to logits with tokenizers and onnxruntime."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Encoding, Tokenizer

from diplomacy_nlp.calibration import Logits
from diplomacy_nlp.errors import ModelDamagedError
from diplomacy_nlp.model_files import ModelConfig

__all__ = ["OnnxBackend"]

# Sentences tokenised at once: enough to sort by length, little enough to keep memory flat.
_BLOCK_SENTENCES = 2048
# Tokens of a batch, padding among them: what a layer makes of so many stays in a core's cache, and
# so short a stretch of the sorted sentences needs next to no padding.
_BATCH_TOKENS = 384
# How many tokens neighbouring windows of a long sentence share.
_OVERLAP_TOKENS = 32


class OnnxBackend:
    """A fine-tuned encoder in ONNX.

    A sentence of more than ``config.max_length_tokens`` tokens is read in overlapping windows; each
    domain takes its largest logit over them, the relation the mean. The logits of a sentence do not
    depend on those beside it.

    Parameters
    ----------
    folder : Path
        A model folder with ``model.onnx`` and ``tokenizer.json``.
    config : ModelConfig
        Its configuration.
    weights : str
        The file of the weights.

    Raises
    ------
    ModelDamagedError
        The weights or the tokenizer cannot be loaded.
    """

    def __init__(self, folder: Path, config: ModelConfig, weights: str = "model.onnx") -> None:
        options = onnxruntime.SessionOptions()
        # One thread a batch and several batches at once: half as fast again as several threads a
        # batch, which wait for one another in every layer.
        options.intra_op_num_threads = 1
        self._n_threads = _n_threads()
        # Otherwise every new batch shape leaves a buffer behind.
        options.enable_mem_pattern = False
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = onnxruntime.InferenceSession(
                str(folder / weights),
                options,
                providers=["CPUExecutionProvider"],
                # The fused operator is slower on a CPU than the two that it stands for.
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        except Exception as error:  # both libraries raise bare Exceptions of their own
            raise ModelDamagedError(f"{folder} cannot be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(
            config.max_length_tokens, stride=min(_OVERLAP_TOKENS, config.max_length_tokens // 4)
        )
        self._loaded_from = folder, config, weights
        self._pad_id = config.encoder.get("pad_token_id") or 0
        self._n_domains = len(config.domains)
        self._has_relation = config.has_relation

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process load the same files."""
        return type(self), self._loaded_from

    def logits(self, sentences: Sequence[str]) -> Logits:
        """Return the logits of ``n`` sentences: (n, d) and, with a relation, (n, 3)."""
        n_outputs = self._n_domains + 3 * self._has_relation
        logits = np.empty((len(sentences), n_outputs), dtype=np.float32)
        for start in range(0, len(sentences), _BLOCK_SENTENCES):
            block = sentences[start : start + _BLOCK_SENTENCES]
            logits[start : start + len(block)] = self._block_logits(block)
        relations = logits[:, self._n_domains :] if self._has_relation else None
        return Logits(logits[:, : self._n_domains], relations)

    def token_ids(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the word pieces of ``n`` sentences, of a long one those of its first window."""
        return [encoding.ids for encoding in self._encodings(sentences)]

    def _encodings(self, sentences: Sequence[str]) -> list[Encoding]:
        # Lone surrogates have no UTF-8 form, which the tokenizer needs.
        clean = [text.encode("utf-8", "replace").decode() for text in sentences]
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(clean)
        return encodings

    def _block_logits(self, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        encodings = self._encodings(sentences)
        windows: list[Encoding] = []
        owners: list[int] = []
        for i, encoding in enumerate(encodings):
            for window in (encoding, *encoding.overflowing):
                windows.append(window)
                owners.append(i)
        window_logits = self._window_logits([window.ids for window in windows])
        if len(windows) == len(sentences):
            return window_logits
        return self._merge(window_logits, np.array(owners))

    def _merge(
        self, logits: npt.NDArray[np.float32], owners: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        merged = np.maximum.reduceat(logits, starts)
        counts = np.diff(starts, append=len(owners))
        d = self._n_domains
        merged[:, d:] = np.add.reduceat(logits[:, d:], starts) / counts[:, None]
        return merged

    def _window_logits(self, ids: list[list[int]]) -> npt.NDArray[np.float32]:
        n_outputs = self._n_domains + 3 * self._has_relation
        logits = np.empty((len(ids), n_outputs), dtype=np.float32)
        batches = _batches_by_length(ids, self._n_threads)
        # Threads of a pool that is kept would be missing after a fork, and waited for.
        with ThreadPoolExecutor(self._n_threads) as pool:
            for batch, outputs in zip(batches, pool.map(self._run, batches), strict=True):
                logits[[row for row, _ in batch]] = outputs
        return logits

    def _run(self, batch: "_Batch") -> npt.NDArray[np.float32]:
        longest = max(len(ids) for _, ids in batch)
        input_ids = np.full((len(batch), longest), self._pad_id, dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, (_, ids) in enumerate(batch):
            input_ids[row, : len(ids)] = ids
            attention_mask[row, : len(ids)] = 1
        feeds = {"input_ids": input_ids, "attention_mask": attention_mask}
        logits: npt.NDArray[np.float32] = self._session.run(["logits"], feeds)[0]
        return logits


# Windows with the row of each.
_Batch: TypeAlias = list[tuple[int, list[int]]]


def _batches_by_length(ids: list[list[int]], n_threads: int) -> list[_Batch]:
    """Return batches of like lengths, the long ones first, enough of them for every thread."""
    rows = sorted(enumerate(ids), key=lambda row: -len(row[1]))
    n_tokens = min(_BATCH_TOKENS, -(-sum(len(own) for own in ids) // n_threads))
    batches = []
    while rows:
        size = max(1, n_tokens // len(rows[0][1]))
        batches.append(rows[:size])
        rows = rows[size:]
    return batches


def _n_threads() -> int:
    has_affinity = hasattr(os, "sched_getaffinity")
    n_cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    # By which schedulers tell a process that the other cores are not its own.
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(n_cores, int(limit)) if limit.isdecimal() and int(limit) else n_cores
