"""YAML as Kubernetes reads it: a key given twice is an error, and a date is a string."""

from __future__ import annotations

from typing import Any

import yaml

_MAX_BITS = 64  # of a whole number; Python does not print those of more than 4,300 digits


class UniqueKeyLoader(yaml.SafeLoader):
    """A SafeLoader for which a repeated key is an error: the last one would win silently."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Raises: ConstructorError, with the line, also where SafeLoader fails on a value: `!!int x`, 5,000 digits."""
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, KeyError, AttributeError):
            raise yaml.constructor.ConstructorError(
                None, None, f"the value cannot be read as {node.tag.rpartition(':')[2]}", node.start_mark
            ) from None
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise yaml.constructor.ConstructorError(None, None, "the number is too large", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Raises: ConstructorError, naming the key and its line."""
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue  # `<<`, whose keys the mapping's own may replace
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                continue  # refused by SafeLoader itself, in its own words
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} occurs twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


UniqueKeyLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
