"""What is needed to run the same search again."""

import html
import json
from collections.abc import Mapping
from typing import Any

from nas.report.quantities import label

__all__ = ["reproduction"]


def reproduction(settings: Mapping[str, Any], architecture: Mapping[str, Any] | None = None) -> str:
    """HTML: the command, a list of all settings and versions, the configuration and the chosen architecture."""
    summary = dict(settings)
    summary.pop("seconds", None)
    command, versions, config = (summary.pop(name, None) for name in ("command", "versions", "config"))
    parts = [f"<pre><code>{html.escape(str(command))}</code></pre>"] if command else []
    parts.append(_definitions({name: value for name, value in summary.items() if value not in (None, "", [])}))
    if versions:
        parts.append(f"<h3>Versions</h3>{_definitions(versions, named=False)}")
    if config:
        parts.append(_folded("Configuration", str(config)))
    if architecture:
        parts.append(_folded("Chosen architecture", json.dumps(architecture, indent=2)))
    return "".join(parts)


def _definitions(values: Mapping[str, Any], named: bool = True) -> str:
    """A list of terms with their values; ``named`` terms are ours and get their heading, others stay as they are."""
    entries = "".join(
        f"<div><dt>{html.escape(label(name) if named else name)}</dt><dd>{html.escape(_text(value))}</dd></div>"
        for name, value in values.items()
    )
    return f"<dl>{entries}</dl>"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary><pre><code>{html.escape(text)}</code></pre></details>"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_text(part)}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
