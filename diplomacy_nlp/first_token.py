"""Cuts an exported encoder down to what its head reads: in the last layer, the first token."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from diplomacy_nlp.errors import MissingExtraError

try:
    import onnx
    from onnx import helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("Training", "train") from error

__all__ = ["keep_first_token"]

# Of each input of an operator, the axis on which its first entry is enough; None if all are needed.
_Axes: TypeAlias = list[int | None]

# Of hidden states, (sentences, tokens, dimensions), and of queries and scores by head.
_TOKEN_AXIS, _QUERY_AXIS = 1, 2
_SUFFIX = "_first_token"
_ONE = "first_token_end"


def keep_first_token(graph: onnx.GraphProto) -> None:
    """Compute nothing but the first token where the head reads nothing else.

    An encoder's head that takes the first token leaves the others of the last layer unused, but
    for the keys and values that the first one attends to: a sixth of the work or more. So what
    leads to that token alone is cut down to it, as far up as its query. A graph whose head reads
    more, or whose operators are not known here, stays as it is.

    Parameters
    ----------
    graph : onnx.GraphProto
        An encoder's, changed in place.
    """
    known = _Known.of(graph)
    readers: defaultdict[str, set[int | None]] = defaultdict(set)
    for output in graph.output:
        readers[output.name].add(None)
    cuts: dict[str, _Axes] = {}
    for node in reversed(graph.node):
        axes: _Axes = [None] * len(node.input)
        if known.takes_first_token(node):
            axes[0] = _TOKEN_AXIS
        elif len(readers[node.output[0]]) == 1:
            [axis] = readers[node.output[0]]
            within = None if axis is None else known.axes_within(node, axis)
            if within:
                cuts[node.output[0]] = axes = within
        for name, axis in zip(node.input, axes, strict=True):
            readers[name].add(axis)
    if cuts:
        _cut(graph, cuts, known)


def _cut(graph: onnx.GraphProto, cuts: Mapping[str, Sequence[int | None]], known: "_Known") -> None:
    nodes: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        for position, axis in enumerate(cuts.get(node.output[0], ())):
            name = node.input[position]
            if axis is not None and name not in cuts:
                bounds = ["first_token_start", _ONE, f"first_token_axis_{axis}"]
                short = f"{name}{_SUFFIX}_{axis}"
                nodes.setdefault(short, helper.make_node("Slice", [name, *bounds], [short]))
                node.input[position] = short
        if node.op_type == "Reshape" and node.output[0] in cuts:
            shape = known.makers[node.input[1]]
            short = shape.output[0] + _SUFFIX
            sizes = [shape.input[0], _ONE, *shape.input[2:]]
            nodes.setdefault(short, helper.make_node("Concat", sizes, [short], axis=0))
            node.input[1] = short
        nodes[node.output[0]] = onnx.NodeProto.FromString(node.SerializeToString())
    del graph.node[:]
    graph.node.extend(nodes.values())
    numbers = {"first_token_start": 0, _ONE: 1}
    numbers |= {f"first_token_axis_{axis}": axis for axis in (_TOKEN_AXIS, _QUERY_AXIS)}
    graph.initializer.extend(
        numpy_helper.from_array(np.array([number]), name) for name, number in numbers.items()
    )


@dataclass(frozen=True)
class _Known:
    """What of a graph is needed to tell how its operators treat the first token."""

    weights: Mapping[str, onnx.TensorProto]
    makers: Mapping[str, onnx.NodeProto]

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> "_Known":
        makers = {name: node for node in graph.node for name in node.output}
        return cls({weight.name: weight for weight in graph.initializer}, makers)

    def takes_first_token(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Gather" or node.input[1] not in self.weights:
            return False
        index = numpy_helper.to_array(self.weights[node.input[1]])
        return _attribute(node, "axis", 0) == _TOKEN_AXIS and index.ndim == 0 and int(index) == 0

    def axes_within(self, node: onnx.NodeProto, axis: int) -> _Axes | None:
        """Return where each input may be cut if the output is, on ``axis``; None if unknown."""
        rest: _Axes = [None] * (len(node.input) - 1)
        match node.op_type:
            case "Gelu" | "LayerNormalization":
                return [axis, *rest]
            case "Softmax" if _attribute(node, "axis", -1) == -1:
                return [axis, *rest]
            case "Add" | "Mul":
                return [None if name in self.weights else axis for name in node.input]
            case "MatMul" if node.input[1] in self.weights or axis == _QUERY_AXIS:
                return [axis, *rest]
            case "Transpose" if permutation := _attribute(node, "perm", None):
                return [permutation[axis]]
            case "Reshape" if axis == _TOKEN_AXIS and self._keeps_tokens_apart(node):
                return [axis, *rest]
        return None

    def _keeps_tokens_apart(self, node: onnx.NodeProto) -> bool:
        """Tell whether a Reshape splits a token's dimensions into heads, or joins the heads."""
        shape = self.makers.get(node.input[1])
        if shape is None or shape.op_type != "Concat":
            return False
        return all(
            size in self.makers and self.makers[size].op_type == "Shape" for size in shape.input[:2]
        )


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    values = (helper.get_attribute_value(a) for a in node.attribute if a.name == name)
    return next(values, default)
