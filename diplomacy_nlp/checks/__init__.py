"""Checks of labelled data: what `diplomacy-nlp check` finds."""

from diplomacy_nlp.checks.data_check import DataCheck, check
from diplomacy_nlp.checks.findings import Finding

__all__ = ["DataCheck", "Finding", "check"]
