"""Comparisons on a user's own labels: this library beside others, all trained on the same rows."""

__all__: list[str] = []
