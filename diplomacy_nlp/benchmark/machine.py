"""What a measurement was taken on."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from diplomacy_nlp import __version__

__all__ = ["describe_machine", "installed_versions"]


def describe_machine() -> dict[str, Any]:
    """Return the processor, the number of cores that this process may use, and the system."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "processor": _processor(),
        "n_cores": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count(),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python, this library and those of the packages that are installed."""
    versions = {"python": platform.python_version(), "diplomacy-nlp": __version__}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
