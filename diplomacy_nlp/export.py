"""From a fine-tuned encoder to int8 ONNX, and back.

The weights keep the names that they have in transformers. So a shipped int8 model can be loaded
into transformers again, with the rounding of int8, to fine-tune it further or to compare with it.
"""

import contextlib
import logging
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.errors import MissingExtraError, TrainingError
from diplomacy_nlp.first_token import keep_first_token

try:
    import onnx
    import onnxruntime
    import torch
    from onnx import helper, numpy_helper
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

# The operators of onnxruntime's own.
_ORT_DOMAIN = "com.microsoft"
_LARGEST_UINT8 = 255
# What the ranges of activations are found on.
_SAMPLE_SENTENCES = 500

_TokenIds: TypeAlias = Sequence[Sequence[int]]


class _Logits(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def export_int8(model: PreTrainedModel, token_ids: _TokenIds) -> bytes:
    """Return the model as ONNX with int8 weights and activations.

    Inputs are ``input_ids`` and ``attention_mask``, int64 (n, tokens); the output is ``logits``,
    float32 (n, outputs). Weights are rounded to 7 of the 8 bits, a scale a column: the products
    of 8-bit ones overflow on processors without VNNI instructions, which would give every machine
    its own probabilities.

    Parameters
    ----------
    model : PreTrainedModel
        A sequence classifier on the CPU.
    token_ids : sequence of sequences of int
        As of :func:`quantised`.

    Raises
    ------
    TrainingError
        torch cannot export this encoder.
    """
    # The plain attention becomes fewer operators than torch's fused one.
    model.set_attn_implementation("eager")
    exported = _named_like_torch(to_onnx(_Logits(model.eval()), model.config.vocab_size), model)
    keep_first_token(exported.graph)
    return quantised(exported, token_ids)


def quantised(exported: onnx.ModelProto, token_ids: _TokenIds) -> bytes:
    """Return a graph with int8 weights and activations.

    Activations are rounded on scales that are fixed here, by their ranges over some sentences.
    Scales found anew in every batch would make logits depend on the sentences beside one's own.

    Parameters
    ----------
    exported : ModelProto
        Takes ``input_ids`` and ``attention_mask``.
    token_ids : sequence of sequences of int
        Sentences of the kind that will be read, as word pieces; at most 500 of them are run.
    """
    add_pre_process_metadata(exported)  # the exporter has done what the quantiser would ask for
    with tempfile.TemporaryDirectory() as folder:
        plain, smaller = Path(folder, "plain.onnx"), Path(folder, "int8.onnx")
        onnx.save(exported, plain)
        quantize_dynamic(
            plain, smaller, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )
        model = onnx.load(smaller)
    _fix_scales(model.graph, exported, token_ids[:: -(-len(token_ids) // _SAMPLE_SENTENCES)])
    _fuse_products(model)
    weights: bytes = model.SerializeToString()
    return weights


def _fix_scales(graph: onnx.GraphProto, exported: onnx.ModelProto, sample: _TokenIds) -> None:
    """Give every activation that is rounded a constant scale."""
    rounded = [node for node in graph.node if node.op_type == "DynamicQuantizeLinear"]
    lows, highs = _ranges(exported, [node.input[0] for node in rounded], sample)
    for node, low, high in zip(rounded, lows, highs, strict=True):
        _, scale, zero_point = node.output
        step = (high - low) / _LARGEST_UINT8 or 1.0
        for name, value in (
            (scale, np.float32(step)),
            (zero_point, np.uint8(round(-low / step))),
        ):
            graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        node.op_type = "QuantizeLinear"
        node.input.extend([scale, zero_point])
        del node.output[1:]


def _ranges(
    exported: onnx.ModelProto, names: Sequence[str], sample: _TokenIds
) -> tuple[list[float], list[float]]:
    """Return the smallest and the largest value of some activations, 0 always among them."""
    observed = onnx.ModelProto.FromString(exported.SerializeToString())
    observed.graph.output.extend(map(helper.make_empty_tensor_value_info, names))
    session = onnxruntime.InferenceSession(
        observed.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    lows, highs = [0.0] * len(names), [0.0] * len(names)
    for ids in sample:
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
        for i, values in enumerate(session.run(names, feeds)):
            lows[i] = min(lows[i], float(values.min()))
            highs[i] = max(highs[i], float(values.max()))
    return lows, highs


def _fuse_products(model: onnx.ModelProto) -> None:
    """Make one operator of an int8 product, its scales and its bias.

    onnxruntime does so by itself only where the scales are not constant.
    """
    nodes = model.graph.node
    weights = {weight.name for weight in model.graph.initializer}
    makers = {name: node for node in nodes for name in node.output}
    readers = defaultdict(list)
    for node in nodes:
        for name in node.input:
            readers[name].append(node)
    for product in [node for node in nodes if node.op_type == "MatMulInteger"]:
        [cast] = readers[product.output[0]]
        [scaled] = readers[cast.output[0]]
        [scales] = [makers[name] for name in scaled.input if name != cast.output[0]]
        parts, bias = [cast, scales, scaled], []
        match readers[scaled.output[0]]:
            case [node] if node.op_type == "Add":
                bias = [name for name in node.input if name in weights]
                parts += [node] * len(bias)
        values, zero_points = product.input[:2], product.input[2:]
        product.op_type, product.domain = "MatMulIntegerToFloat", _ORT_DOMAIN
        del product.input[:]
        product.input.extend([*values, *scales.input, *zero_points, *bias])
        product.output[0] = parts[-1].output[0]
        for node in parts:
            nodes.remove(node)
    model.opset_import.append(helper.make_opsetid(_ORT_DOMAIN, 1))


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
