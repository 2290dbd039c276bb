"""From a fine-tuned encoder to int8 ONNX, and back.

The weights keep the names that they have in transformers. So a shipped int8 model can be loaded
into transformers again, with the rounding of int8, to fine-tune it further or to compare with it.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.errors import MissingExtraError, TrainingError
from diplomacy_nlp.first_token import keep_first_token

try:
    import onnx
    import torch
    from onnx import numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata
    from torch import nn
    from torch.export import Dim
    from transformers import PreTrainedModel
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

__all__ = ["dequantised_weights", "export_int8", "quantised", "to_onnx"]

# Marks a weight that ONNX keeps as (inputs, outputs) and torch as (outputs, inputs); onnxruntime's
# quantiser appends the same where it turns a Gemm into a MatMul.
_TRANSPOSED = "_Transposed"


class _Logits(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export_int8(model: PreTrainedModel) -> bytes:
    """Return the model as ONNX with int8 weights.

    Inputs are ``input_ids`` and ``attention_mask``, int64 (n, tokens); the output is ``logits``,
    float32 (n, outputs). Weights are rounded to 7 of the 8 bits, a scale a column: the products
    of 8-bit ones overflow on processors without VNNI instructions, which would give every machine
    its own probabilities.

    Parameters
    ----------
    model : PreTrainedModel
        A sequence classifier on the CPU.

    Raises
    ------
    TrainingError
        torch cannot export this encoder.
    """
    # The plain attention becomes fewer operators than torch's fused one.
    model.set_attn_implementation("eager")
    exported = _named_like_torch(to_onnx(_Logits(model.eval()), model.config.vocab_size), model)
    keep_first_token(exported.graph)
    return quantised(exported)


def quantised(exported: onnx.ModelProto) -> bytes:
    """Return a graph with int8 weights and activations."""
    add_pre_process_metadata(exported)  # the exporter has done what the quantiser would ask for
    with tempfile.TemporaryDirectory() as folder:
        plain, smaller = Path(folder, "plain.onnx"), Path(folder, "int8.onnx")
        onnx.save(exported, plain)
        quantize_dynamic(
            plain, smaller, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )
        return smaller.read_bytes()


def to_onnx(module: nn.Module, n_tokens: int) -> onnx.ModelProto:
    """Return a network as ONNX.

    Parameters
    ----------
    module : Module
        Takes ``input_ids`` and ``attention_mask``, int64 (n, tokens), and gives the logits.
    n_tokens : int
        How many word pieces it knows.

    Raises
    ------
    TrainingError
        torch cannot export it.
    """
    ids = torch.tensor([[101, 2000, 2001, 102], [101, 2000, 102, 0]]) % n_tokens
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    free = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    try:
        with _quiet_exporter():
            program = torch.onnx.export(
                module,
                (ids, mask),
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamic_shapes={"input_ids": free, "attention_mask": free},
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the network's code meets in it
        raise TrainingError(f"torch cannot export this network to ONNX: {error}") from error
    if program is None:
        raise TrainingError("torch gave back no ONNX program")
    return program.model_proto


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what torch's exporter says of its own deprecations and of absent packages."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _named_like_torch(exported: onnx.ModelProto, model: PreTrainedModel) -> onnx.ModelProto:
    """Give every weight the name that it has in torch; the exporter numbers transposed ones."""
    transposed = {
        parameter.detach().numpy().T.tobytes(): name + _TRANSPOSED
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2
    }
    names = {}
    for weight in exported.graph.initializer:
        if weight.name.startswith("model."):
            names[weight.name] = weight.name.removeprefix("model.")
        elif name := transposed.get(numpy_helper.to_array(weight).tobytes()):
            names[weight.name] = name
        weight.name = names.get(weight.name, weight.name)
    for node in exported.graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = names.get(name, name)
        del node.metadata_props[:]  # stack traces of the exporter, with local paths
    del exported.graph.value_info[:]  # names the old ones; the quantiser infers shapes anew
    return exported


def dequantised_weights(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Return an exported model's weights in fp32, named and shaped as in torch."""
    graph = onnx.load(path).graph
    arrays = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    weights = {}
    for name, array in arrays.items():
        name, quantised, _ = name.partition("_quantized")
        if quantised:
            zero_point = arrays[f"{name}_zero_point"].astype(np.float32)
            array = (array.astype(np.float32) - zero_point) * arrays[f"{name}_scale"]
        if name.endswith(_TRANSPOSED):
            name, array = name.removesuffix(_TRANSPOSED), array.T
        weights[name] = np.ascontiguousarray(array)
    return weights
