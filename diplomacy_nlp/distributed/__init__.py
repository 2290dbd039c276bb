"""Tagging on many machines, with Ray Data.

Files are read, tagged and written by whatever nodes a Ray cluster has, with the readers, the tagger
and the columns that a single process uses.
"""

from diplomacy_nlp.distributed.parts import TaggedParts
from diplomacy_nlp.distributed.tagging import tag_files

__all__ = ["TaggedParts", "tag_files"]
