import functools
import re
import shutil
import sysconfig
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
import torch
from onnx import helper, numpy_helper

from diplomacy_nlp import export
from diplomacy_nlp.encoders import Encoder, load_encoder, restore_encoder, torch_logits
from diplomacy_nlp.errors import TrainingError
from diplomacy_nlp.export import dequantised_weights, export_int8
from diplomacy_nlp.finetune import FineTuneData, fine_tune
from diplomacy_nlp.model_files import read_model_config

# Of a tiny model, whose few weights round coarsely; of a real one it is a few hundredths.
INT8_TOLERANCE = 0.25


@pytest.fixture(scope="module", params=["bert", "distilbert", "roberta"])
def tuned(request, words, tmp_path_factory):
    """Return an encoder of each kind, loaded and fine-tuned for an epoch."""
    folder = tmp_path_factory.mktemp(request.param)
    base = tiny.build_encoder(request.param, folder / "base")
    train = words.where_split("train")[:160]
    data = FineTuneData.of(train)
    recipe = tiny.recipe(base, n_epochs=1)
    return fine_tune(load_encoder(str(base), 6, 0), data, None, recipe, folder / "checkpoints")


@pytest.fixture(scope="module")
def exported(tuned, tmp_path_factory):
    """Return where the encoder stands in int8 and, as it was before that, in plain fp32."""
    folder = tmp_path_factory.mktemp("exported")
    before = {name: value.clone() for name, value in tuned.model.state_dict().items()}
    quantise = export.quantize_dynamic

    def keep(plain, *arguments, **options):
        shutil.copy(plain, folder / "plain.onnx")
        quantise(plain, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "quantize_dynamic", keep)
        (folder / "int8.onnx").write_bytes(export_int8(tuned.model))
    for name, value in tuned.model.state_dict().items():
        assert torch.equal(value, before[name]), f"the export changed {name}"
    return folder


def onnx_logits(path: Path, encoder: Encoder, texts: list[str]) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    batch = encoder.tokenizer(
        texts, truncation=True, max_length=tiny.MAX_LENGTH_TOKENS, padding=True, return_tensors="np"
    )
    feeds = {name: batch[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    return session.run(["logits"], feeds)[0]


class TestParity:
    def test_plain_onnx_equals_torch(self, tuned, exported, words):
        expected = torch_logits(tuned, words.texts, tiny.MAX_LENGTH_TOKENS)
        logits = onnx_logits(exported / "plain.onnx", tuned, words.texts)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)

    def test_int8_is_close_to_torch(self, tuned, exported, words):
        expected = torch_logits(tuned, words.texts, tiny.MAX_LENGTH_TOKENS)
        logits = onnx_logits(exported / "int8.onnx", tuned, words.texts)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=INT8_TOLERANCE)
        assert np.abs(logits - expected).mean() < INT8_TOLERANCE / 5

    def test_restored_weights_are_close(self, tuned, exported):
        weights = dequantised_weights(exported / "int8.onnx")
        for name, parameter in tuned.model.named_parameters():
            original = parameter.detach().numpy()
            assert weights[name].shape == original.shape
            # Half a step of 7 bits with a sign, whose scale is at most that of the whole matrix.
            step = np.abs(original).max() / 63
            np.testing.assert_allclose(weights[name], original, rtol=0, atol=0.51 * step)


class TestFile:
    def test_one_text_or_many_of_any_length(self, tuned, exported):
        for texts in (["gas"], ["gas and war " * 3, ""], ["a"] * 33):
            assert onnx_logits(exported / "int8.onnx", tuned, texts).shape == (len(texts), 6)

    def test_inputs_and_outputs(self, exported):
        session = onnxruntime.InferenceSession(exported / "int8.onnx")
        assert [(i.name, i.type) for i in session.get_inputs()] == [
            ("input_ids", "tensor(int64)"),
            ("attention_mask", "tensor(int64)"),
        ]
        [output] = session.get_outputs()
        assert (output.name, output.type, output.shape[1]) == ("logits", "tensor(float)", 6)

    def test_matrices_are_int8(self, exported):
        types = {w.name: w.data_type for w in onnx.load(exported / "int8.onnx").graph.initializer}
        quantised = {n: t for n, t in types.items() if n.endswith("_quantized")}
        # Two layers of four projections and two of the feed-forward network.
        layers = [kind for name, kind in quantised.items() if "layer." in name]
        assert layers == [onnx.TensorProto.INT8] * 12
        # Those that are looked up, not multiplied.
        embeddings = [kind for name, kind in quantised.items() if "word_embeddings" in name]
        assert embeddings == [onnx.TensorProto.UINT8]
        plain, int8 = (len((exported / f"{n}.onnx").read_bytes()) for n in ("plain", "int8"))
        assert int8 < plain

    def test_no_local_path_and_no_stack_trace(self, exported):
        data = (exported / "int8.onnx").read_bytes()
        local = (Path.cwd(), Path.home(), sysconfig.get_paths()["purelib"], Path(onnx.__file__))
        for path in local:
            assert str(path).encode() not in data
        for trace in (b"stack_trace", b"Traceback", b'File "', b".py", b"forward("):
            assert trace not in data
        assert not re.search(rb"/(home|root|tmp|usr|Users|work)/", data)


class TestKeepFirstToken:
    """On graphs made by hand: two tokenwise layers, the reading of tokens, and a head."""

    def graph(self, reading: onnx.NodeProto) -> onnx.ModelProto:
        rng = np.random.default_rng(0)
        shapes = {"w1": (4, 4), "b1": (4,), "g": (4,), "w2": (4, 3), "b2": (3,)}
        weights = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}
        weights |= {"first": np.array(0), "second": np.array(1), "tokens": np.array([1])}
        nodes = [
            helper.make_node("MatMul", ["x", "w1"], ["a"]),
            helper.make_node("Add", ["a", "b1"], ["b"]),
            helper.make_node("Add", ["b", "x"], ["c"]),
            helper.make_node("LayerNormalization", ["c", "g"], ["hidden"]),
            reading,
            helper.make_node("MatMul", ["read", "w2"], ["scores"]),
            helper.make_node("Add", ["scores", "b2"], ["logits"]),
        ]
        used = {name for node in nodes for name in node.input}
        float_info = functools.partial(helper.make_tensor_value_info, elem_type=1)
        return helper.make_model(
            helper.make_graph(
                nodes,
                "encoder",
                [float_info("x", shape=["n", "tokens", 4])],
                [float_info("logits", shape=["n", 3])],
                [numpy_helper.from_array(w, name) for name, w in weights.items() if name in used],
            ),
            opset_imports=[helper.make_opsetid("", 20)],
            ir_version=10,
        )

    def run(self, model: onnx.ModelProto) -> np.ndarray:
        x = np.random.default_rng(1).normal(size=(5, 7, 4)).astype(np.float32)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        return session.run(["logits"], {"x": x})[0]

    @pytest.mark.parametrize(
        ("reading", "n_cuts"),
        [
            (helper.make_node("Gather", ["hidden", "first"], ["read"], axis=1), 1),
            (helper.make_node("Gather", ["hidden", "second"], ["read"], axis=1), 0),
            (helper.make_node("ReduceMean", ["hidden", "tokens"], ["read"], keepdims=0), 0),
        ],
        ids=["first token", "second token", "mean"],
    )
    def test_logits_stay(self, reading, n_cuts):
        model = self.graph(reading)
        expected = self.run(model)
        export._keep_first_token(model.graph)
        np.testing.assert_allclose(self.run(model), expected, rtol=0, atol=1e-6)
        assert [node.op_type for node in model.graph.node].count("Slice") == n_cuts


class TestExportInt8:
    def test_the_exporter_fails(self, tiny_encoder, monkeypatch):
        model = load_encoder(str(tiny_encoder), 3, 0).model

        def fail(*arguments, **options):
            raise torch.onnx.errors.OnnxExporterError("no such operator")

        monkeypatch.setattr(torch.onnx, "export", fail)
        with pytest.raises(TrainingError, match="cannot export this encoder to ONNX: no such op"):
            export_int8(model)

    def test_the_exporter_gives_nothing(self, tiny_encoder, monkeypatch):
        model = load_encoder(str(tiny_encoder), 3, 0).model
        monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
        with pytest.raises(TrainingError, match="no ONNX program"):
            export_int8(model)


def test_a_model_folder_comes_back_as_torch(tiny_model, words):
    config = read_model_config(tiny_model)
    restored = restore_encoder(tiny_model, config)
    logits = torch_logits(restored, words.texts, config.max_length_tokens)
    in_int8 = onnx_logits(tiny_model / "model.onnx", restored, words.texts)
    np.testing.assert_allclose(logits, in_int8, rtol=0, atol=INT8_TOLERANCE)
