"""YAML in which a key that stands twice is a mistake, not the last of two values."""

from typing import Any

import yaml

__all__ = ["load_yaml"]


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    line = key.start_mark.line + 1
                    raise yaml.constructor.ConstructorError(problem=f"line {line}: '{key.value}' stands there twice")
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """What a text says, in plain values.

    Raises:
        yaml.YAMLError: it is no YAML, or a mapping has a key twice.

    >>> load_yaml("depth: [1, 2]")
    {'depth': [1, 2]}
    """
    return yaml.load(text, _Loader)
