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

from diplomacy_nlp import export
from diplomacy_nlp.encoders import (
    Encoder,
    load_encoder,
    restore_encoder,
    token_ids,
    torch_logits,
)
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
def exported(tuned, words, tmp_path_factory):
    """Return where the encoder stands in int8 and, as it was before that, in plain fp32."""
    folder = tmp_path_factory.mktemp("exported")
    before = {name: value.clone() for name, value in tuned.model.state_dict().items()}
    quantise = export.quantize_dynamic

    def keep(plain, *arguments, **options):
        shutil.copy(plain, folder / "plain.onnx")
        quantise(plain, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "quantize_dynamic", keep)
        pieces = token_ids(tuned, words.where_split("train").texts, tiny.MAX_LENGTH_TOKENS)
        (folder / "int8.onnx").write_bytes(export_int8(tuned.model, pieces))
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

    @pytest.mark.parametrize(("layer", "is_cut"), [(0, False), (1, True)])
    def test_the_last_layer_asks_for_the_first_token_only(self, exported, layer, is_cut):
        [query] = [
            node.input[0]
            for node in onnx.load(exported / "plain.onnx").graph.node
            if node.op_type == "MatMul" and re.search(rf"layer\.{layer}\..*\bq", node.input[1])
        ]
        assert ("first_token" in query) is is_cut


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

    def test_activations_have_constant_scales(self, exported):
        graph = onnx.load(exported / "int8.onnx").graph
        kinds = {node.op_type for node in graph.node}
        assert not kinds & {"DynamicQuantizeLinear", "MatMulInteger"}
        products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
        # Two layers of four projections and two of the feed-forward network, and the head.
        assert len(products) >= 13
        constants = {weight.name for weight in graph.initializer}
        assert {name for node in products for name in node.input[1:]} <= constants

    def test_no_local_path_and_no_stack_trace(self, exported):
        data = (exported / "int8.onnx").read_bytes()
        local = (Path.cwd(), Path.home(), sysconfig.get_paths()["purelib"], Path(onnx.__file__))
        for path in local:
            assert str(path).encode() not in data
        for trace in (b"stack_trace", b"Traceback", b'File "', b".py", b"forward("):
            assert trace not in data
        assert not re.search(rb"/(home|root|tmp|usr|Users|work)/", data)


class TestExportInt8:
    def test_the_exporter_fails(self, tiny_encoder, monkeypatch):
        model = load_encoder(str(tiny_encoder), 3, 0).model

        def fail(*arguments, **options):
            raise torch.onnx.errors.OnnxExporterError("no such operator")

        monkeypatch.setattr(torch.onnx, "export", fail)
        with pytest.raises(TrainingError, match="cannot export this network to ONNX: no such op"):
            export_int8(model, [[2, 3]])

    def test_the_exporter_gives_nothing(self, tiny_encoder, monkeypatch):
        model = load_encoder(str(tiny_encoder), 3, 0).model
        monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: None)
        with pytest.raises(TrainingError, match="no ONNX program"):
            export_int8(model, [[2, 3]])


def test_a_model_folder_comes_back_as_torch(tiny_model, words):
    config = read_model_config(tiny_model)
    restored = restore_encoder(tiny_model, config)
    logits = torch_logits(restored, words.texts, config.max_length_tokens)
    in_int8 = onnx_logits(tiny_model / "model.onnx", restored, words.texts)
    np.testing.assert_allclose(logits, in_int8, rtol=0, atol=INT8_TOLERANCE)
