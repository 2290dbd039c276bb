"""How near the accurate tier comes to what the machine's cores can multiply and add.

The peak is that of onnxruntime's own matrix products, one matrix a core, which the tagger's batches
are made of. The work is the least that gives the logits: of the last layer nothing but the first
token, which is all that the head reads, and no padding. Products of weights run in int8, those of
attention in fp32.

References
----------
Williams, S., Waterman, A. and Patterson, D. (2009). Roofline: an insightful visual performance
model for multicore architectures. Communications of the ACM 52(4), 65-76.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diplomacy_nlp.errors import MissingExtraError

__all__ = ["MatrixPeaks", "Roofline", "Work", "count_work", "measure_peaks"]

_SIDES = (512, 1024)
_N_REPEATS = 12


@dataclass(frozen=True, slots=True)
class Work:
    """Multiply-adds, by the precision in which they are computed.

    Parameters
    ----------
    int8, fp32 : float
        Products with weights, and products of activations with each other.
    """

    int8: float
    fp32: float


@dataclass(frozen=True, slots=True)
class MatrixPeaks:
    """Multiply-adds a second of large matrix products, on all the threads together."""

    int8: float
    fp32: float
    n_threads: int

    def share(self, work: Work, seconds: float) -> float:
        """Return the share of the peak that work reached which took so many seconds.

        Examples
        --------
        >>> MatrixPeaks(int8=100.0, fp32=10.0, n_threads=2).share(Work(300.0, 10.0), 8.0)
        0.5
        """
        return (work.int8 / self.int8 + work.fp32 / self.fp32) / seconds


@dataclass(frozen=True, slots=True)
class Roofline:
    """A machine's peak beside what an encoder makes of it.

    Parameters
    ----------
    int8_per_second, fp32_per_second : float
        The machine's multiply-adds in large matrix products.
    n_threads : int
        The threads of these.
    work : mapping of str to Work
        By kind of sentences: the multiply-adds of all of them.
    share : mapping of str to float
        By kind: the share of the peak that is reached.
    """

    int8_per_second: float
    fp32_per_second: float
    n_threads: int
    work: Mapping[str, Work]
    share: Mapping[str, float]

    @classmethod
    def of(
        cls, peaks: MatrixPeaks, work: Mapping[str, Work], seconds: Mapping[str, float]
    ) -> "Roofline":
        """Compare a peak with the seconds that work of each kind took."""
        share = {kind: peaks.share(of, seconds[kind]) for kind, of in work.items()}
        return cls(peaks.int8, peaks.fp32, peaks.n_threads, work, share)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Roofline":
        """Return the roofline that ``dataclasses.asdict`` described."""
        return cls(**{**values, "work": {kind: Work(**of) for kind, of in values["work"].items()}})


def count_work(encoder: Mapping[str, Any], n_outputs: int, window_tokens: Sequence[int]) -> Work:
    """Count the multiply-adds that an encoder of BERT's kind cannot do without.

    Parameters
    ----------
    encoder : mapping
        Its configuration, as transformers writes it.
    n_outputs : int
        Columns of the logits.
    window_tokens : sequence of int
        The tokens of each window, special ones included.

    Raises
    ------
    KeyError
        It names its sizes otherwise than BERT.

    Examples
    --------
    Of two layers, the second is computed for one of ten tokens, but for keys and values.

    >>> sizes = {"hidden_size": 4, "intermediate_size": 16, "num_hidden_layers": 2}
    >>> count_work(sizes, 3, [10])
    Work(int8=2428.0, fp32=880.0)
    """
    h, intermediate = encoder["hidden_size"], encoder["intermediate_size"]
    n_layers = encoder["num_hidden_layers"]
    n = np.asarray(window_tokens, dtype=np.float64)
    token = 4 * h * h + 2 * h * intermediate
    # Queries, output and the two products of the feed-forward network of one token; the pooler.
    first = 2 * h * h + 2 * h * intermediate + h * h + h * n_outputs
    int8 = n * token * (n_layers - 1) + n * 2 * h * h + first
    fp32 = 2 * h * n * n * (n_layers - 1) + 2 * h * n
    return Work(float(int8.sum()), float(fp32.sum()))


def measure_peaks(n_threads: int) -> MatrixPeaks:
    """Time large matrix products in onnxruntime, and keep the fastest.

    Parameters
    ----------
    n_threads : int
        How many run at once, each in one thread of its own, as the tagger's batches do.

    Raises
    ------
    MissingExtraError
        onnx is not installed.
    """
    rates = {
        operator: max(_rate(operator, side, n_threads) for side in _SIDES)
        for operator in ("MatMulInteger", "MatMul")
    }
    return MatrixPeaks(rates["MatMulInteger"], rates["MatMul"], n_threads)


def _rate(operator: str, side: int, n_threads: int) -> float:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        _product(operator, side), options, providers=["CPUExecutionProvider"]
    )
    matrix = _matrix(operator, (side, side))

    def multiply(_: int) -> None:
        session.run(None, {"a": matrix})

    rates = []
    with ThreadPoolExecutor(n_threads) as pool:
        for _ in range(_N_REPEATS):
            started = time.perf_counter()
            list(pool.map(multiply, range(n_threads)))
            rates.append(n_threads * side**3 / (time.perf_counter() - started))
    return max(rates)


def _matrix(operator: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    values = np.random.default_rng(0).integers(0, 256, shape)
    return values.astype(np.uint8 if operator == "MatMulInteger" else np.float32)


def _product(operator: str, side: int) -> bytes:
    """Return a model that multiplies its input by a constant matrix."""
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("The roofline", "train") from error
    is_int8 = operator == "MatMulInteger"
    # Seven bits, as those of the exported weights.
    weights = np.random.default_rng(1).integers(-64, 64, (side, side))
    in_type, out_type = (
        (TensorProto.UINT8, TensorProto.INT32) if is_int8 else (TensorProto.FLOAT,) * 2
    )
    graph = helper.make_graph(
        [helper.make_node(operator, ["a", "b"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", in_type, [side, side])],
        [helper.make_tensor_value_info("y", out_type, [side, side])],
        [numpy_helper.from_array(weights.astype(np.int8 if is_int8 else np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
