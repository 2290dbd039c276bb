"""On graphs made by hand; that real encoders give the same logits is tested with the export."""

import functools

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from diplomacy_nlp.first_token import keep_first_token

N_SENTENCES, N_TOKENS, WIDTH, N_HEADS = 5, 7, 8, 2


def attention(reading: onnx.NodeProto, *, n_sizes: int = 2) -> onnx.ModelProto:
    """Return a layer of attention and one that treats each token by itself, then a head.

    The Reshapes name as many sizes by Shape as ``n_sizes`` says.
    """
    rng = np.random.default_rng(0)
    shapes = dict.fromkeys(("q", "k", "v", "o"), (WIDTH, WIDTH)) | {"w": (WIDTH, 3), "g": (WIDTH,)}
    weights = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
    weights |= {"b": rng.normal(size=WIDTH).astype(np.float32), "scale": np.float32(0.5)}
    weights |= {"first": np.array(0), "second": np.array(1), "axis": np.array([1])}
    weights |= {
        "heads": np.array([N_HEADS]),
        "rest": np.array([-1]),
        "tokens": np.array([N_TOKENS]),
    }
    node = helper.make_node
    tokens = "n_tokens" if n_sizes == 2 else "tokens"
    nodes = [
        node("Shape", ["x"], ["n"], start=0, end=1),
        node("Shape", ["x"], ["n_tokens"], start=1, end=2),
        node("Concat", ["n", tokens, "heads", "rest"], ["split"], axis=0),
        node("Concat", ["n", tokens, "rest"], ["joined"], axis=0),
    ]
    for name, permutation in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            node("MatMul", ["x", name], [f"{name}_0"]),
            node("Add", [f"{name}_0", "b"], [f"{name}_1"]),
            node("Reshape", [f"{name}_1", "split"], [f"{name}_2"]),
            node("Transpose", [f"{name}_2"], [f"{name}_3"], perm=permutation),
        ]
    nodes += [
        node("MatMul", ["q_3", "k_3"], ["scores"]),
        node("Mul", ["scores", "scale"], ["scaled"]),
        node("Add", ["scaled", "mask"], ["masked"]),
        node("Softmax", ["masked"], ["shares"], axis=-1),
        node("MatMul", ["shares", "v_3"], ["mixed"]),
        node("Transpose", ["mixed"], ["by_token"], perm=[0, 2, 1, 3]),
        node("Reshape", ["by_token", "joined"], ["context"]),
        node("MatMul", ["context", "o"], ["projected"]),
        node("Add", ["projected", "x"], ["sum"]),
        node("LayerNormalization", ["sum", "g"], ["hidden"]),
        reading,
        node("MatMul", ["read", "w"], ["logits"]),
    ]
    used = {name for node in nodes for name in node.input}
    info = functools.partial(helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    inputs = [
        info("x", shape=["n", "tokens", WIDTH]),
        info("mask", shape=["n", 1, "tokens", "tokens"]),
    ]
    initializers = [
        numpy_helper.from_array(np.asarray(w), k) for k, w in weights.items() if k in used
    ]
    graph = helper.make_graph(
        nodes, "encoder", inputs, [info("logits", shape=["n", 3])], initializers
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(model: onnx.ModelProto) -> np.ndarray:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N_SENTENCES, N_TOKENS, WIDTH)).astype(np.float32)
    mask = rng.normal(size=(N_SENTENCES, 1, N_TOKENS, N_TOKENS)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(["logits"], {"x": x, "mask": mask})[0]


def slices(model: onnx.ModelProto) -> list[str]:
    return [node.input[0] for node in model.graph.node if node.op_type == "Slice"]


FIRST = helper.make_node("Gather", ["hidden", "first"], ["read"], axis=1)
SECOND = helper.make_node("Gather", ["hidden", "second"], ["read"], axis=1)
SENTENCE = helper.make_node("Gather", ["hidden", "first"], ["read"], axis=0)
MEAN = helper.make_node("ReduceMean", ["hidden", "axis"], ["read"], keepdims=0)


def test_what_leads_to_the_first_token_is_cut_up_to_its_query():
    model = attention(FIRST)
    expected = run(model)
    keep_first_token(model.graph)
    np.testing.assert_allclose(run(model), expected, rtol=0, atol=1e-5)
    # The query's and the residual's x are one.
    assert sorted(slices(model)) == ["mask", "x"]
    onnx.checker.check_model(model, full_check=True)


def test_a_shape_that_is_not_understood_bounds_the_cut():
    model = attention(FIRST, n_sizes=1)
    expected = run(model)
    keep_first_token(model.graph)
    np.testing.assert_allclose(run(model), expected, rtol=0, atol=1e-5)
    assert sorted(slices(model)) == ["context", "x"]


@pytest.mark.parametrize("reading", [SECOND, SENTENCE, MEAN])
def test_a_head_that_reads_more_leaves_the_graph_as_it_is(reading):
    model = attention(reading)
    before = model.SerializeToString()
    keep_first_token(model.graph)
    assert model.SerializeToString() == before


def test_an_output_is_not_cut():
    model = attention(FIRST)
    model.graph.output.append(helper.make_tensor_value_info("hidden", 1, ["n", "tokens", WIDTH]))
    keep_first_token(model.graph)
    assert slices(model) == []
