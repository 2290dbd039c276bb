"""Files through the taggers of a cluster, into a folder of Parquet."""

import logging
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from diplomacy_nlp.archive import PART_SENTENCES
from diplomacy_nlp.distributed.parts import (
    TaggedParts,
    check_empty,
    open_folder,
    read_parts,
    write_empty_part,
)
from diplomacy_nlp.distributed.sources import Source, find_sources, in_shards
from diplomacy_nlp.distributed.workers import TagBatch, read_shard
from diplomacy_nlp.documents import read_documents
from diplomacy_nlp.errors import ConfigError, DiplomacyError, MissingExtraError
from diplomacy_nlp.model_files import SHIPPED_MODELS, find_model
from diplomacy_nlp.sentences import Sentence, split_sentences
from diplomacy_nlp.tagger import Tagger

__all__ = ["tag_files"]

# What a tagger is given at a time: a second or two of work, which is lost when it dies.
_BATCH_BYTES = 2**18
# What a reader is given at a time, unless a file is larger.
_SHARD_BYTES = 2**26
# Reading is hundreds of times as fast as tagging.
_TAGGERS_A_READER = 64


def tag_files(
    inputs: Sequence[str],
    output: str,
    *,
    model: str | Path = "default",
    tagging: Mapping[str, Any] | None = None,
    reading: Mapping[str, Any] | None = None,
    splitter: Callable[[str], list[Sentence]] = split_sentences,
    relations: Collection[str] = (),
    part_sentences: int = PART_SENTENCES,
    address: str | None = None,
    n_workers: int | None = None,
    progress: bool = False,
) -> TaggedParts:
    """Tag files on a Ray cluster into a folder of Parquet.

    The parts, in order of their names, hold the rows that one process writes as Parquet, in the
    same order. When a process dies, Ray starts another, which does its work again.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and patterns that every node sees under the same path; and URIs of files
        and folders, such as ``s3://bucket/articles/``.
    output : str
        A folder that is not there or empty: a path that every node sees, or a URI.
    model : str or Path
        As for :meth:`Tagger.load`; a folder is one that every node sees.
    tagging : mapping of str to object, optional
        Further keyword arguments of :meth:`Tagger.load`.
    reading : mapping of str to str, optional
        ``text_column``, ``encoding`` and ``errors`` of
        :func:`diplomacy_nlp.documents.read_documents`.
    splitter : callable
        As for :meth:`Tagger.tag`; one that the workers can import.
    relations : collection of str
        If any, only sentences of these are written.
    part_sentences : int
        A part has so many sentences or somewhat more, but for the last one.
    address : str, optional
        Of a cluster, as for ``ray.init``. By default that of ``RAY_ADDRESS``, or else a cluster
        of this machine alone, which ends with the call. Where Ray runs already, that is used.
    n_workers : int, optional
        How many processes tag, each with one core and a model of its own; by default one a core.
    progress : bool
        Whether Ray shows how far it is.

    Returns
    -------
    parts : TaggedParts
        How much was written.

    Raises
    ------
    ConfigError
        An option has no meaning.
    DataError
        A file cannot be read, or the folder is not empty.
    ModelError
        There is no such model, or it cannot be used.
    MissingExtraError
        Ray is not installed.
    DiplomacyError
        The cluster could not finish, which the message tells why.
    """
    _check_installed()
    if part_sentences < 1 or (n_workers is not None and n_workers < 1):
        raise ConfigError(
            f"part_sentences is {part_sentences} and n_workers {n_workers}; both are at least 1"
        )
    sources = find_sources(inputs)
    check_empty(output)
    # Here too, so that options without a meaning are told before anything is started.
    read_documents([], **(reading or {}))
    tagger = Tagger.load(model, **(tagging or {}))
    if relations and not tagger.has_relation:
        raise ConfigError(f"relations are asked for, but the model {model} does not tell them")
    where = str(model) if str(model) in SHIPPED_MODELS else str(find_model(model).absolute())
    tag_batch = (where, dict(tagging or {}), splitter, tuple(relations))
    with _cluster(address, n_workers) as n_cores, _quietly(), _context(progress):
        _run(
            sources,
            dict(reading or {}),
            tag_batch,
            output,
            n_taggers=n_workers or n_cores,
            part_sentences=part_sentences,
        )
    if not read_parts(output).n_parts:
        write_empty_part(output, tagger)
    return read_parts(output)


def _check_installed() -> None:
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise MissingExtraError("Tagging on a cluster", "ray") from None


@contextmanager
def _cluster(address: str | None, n_workers: int | None) -> Iterator[int]:
    """Connect to a cluster, or start one, and tell how many cores it has."""
    import ray

    is_mine = not ray.is_initialized()
    if is_mine:
        is_there = address is not None or "RAY_ADDRESS" in os.environ
        ray.init(
            address=address,
            num_cpus=None if is_there else n_workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        if is_mine:
            ray.shutdown()


@contextmanager
def _context(progress: bool) -> Iterator[None]:
    """Have Ray Data keep the order, pass small blocks, and leave errors as they are."""
    from ray.data import DataContext

    context = DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.target_max_block_size = _BATCH_BYTES
    context.raise_original_map_exception = True
    context.enable_progress_bars = progress
    with DataContext.current(context):
        yield


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep Ray Data from telling of every step, and of errors that are raised anyway."""
    from ray.exceptions import RayError

    loggers = {
        "ray.data": logging.WARNING,
        "ray.data.exceptions": logging.CRITICAL,
        "ray.data._internal.progress": logging.ERROR,
    }
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name, level in loggers.items():
        logging.getLogger(name).setLevel(level)
    try:
        with warnings.catch_warnings():
            # Of options that it sets itself, and of inputs too few for all the workers.
            warnings.filterwarnings("ignore", module=r"ray\.")
            yield
    except RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, DiplomacyError):
            raise cause from None
        raise DiplomacyError(f"the run on Ray failed: {error}") from error
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _run(
    sources: Sequence[Source],
    reading: Mapping[str, Any],
    tag_batch: tuple[Any, ...],
    output: str,
    *,
    n_taggers: int,
    part_sentences: int,
) -> None:
    from ray.data import ActorPoolStrategy, TaskPoolStrategy, from_items

    n_helpers = -(-n_taggers // _TAGGERS_A_READER)
    shards = [
        {"name": [source.name for source in shard], "location": [s.location for s in shard]}
        for shard in in_shards(sources, _SHARD_BYTES)
    ]
    documents = from_items(shards, override_num_blocks=len(shards)).map_batches(
        read_shard,
        fn_kwargs={"batch_bytes": _BATCH_BYTES, "reading": reading},
        batch_size=1,
        batch_format="pyarrow",
        compute=TaskPoolStrategy(size=n_helpers),
        # Readers and writers take no core from the taggers, which would wait for them for ever.
        num_cpus=0,
    )
    tagged = documents.map_batches(
        TagBatch,
        fn_constructor_args=tag_batch,
        batch_size=None,  # all of a block
        batch_format="pyarrow",
        compute=ActorPoolStrategy(size=n_taggers),
        num_cpus=1,
    )
    filesystem, path = open_folder(output)
    tagged.write_parquet(
        path,
        filesystem=filesystem,
        min_rows_per_file=part_sentences,
        compression="zstd",
        concurrency=n_helpers,
        ray_remote_args={"num_cpus": 0},
    )
