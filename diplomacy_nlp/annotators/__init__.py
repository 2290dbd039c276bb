"""Agreement of annotators: what `diplomacy-nlp agreement` measures."""

from diplomacy_nlp.annotators.measure import agreement
from diplomacy_nlp.annotators.results import Agreement

__all__ = ["Agreement", "agreement"]
