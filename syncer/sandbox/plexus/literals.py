"""Values written in a document: read as JSON input, and printed as AppSync's messages print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    IntValueNode,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    StringValueNode,
    ValueNode,
    VariableNode,
)

_ABSENT = object()


class Reader:
    """Reads one literal. ``variable`` is its name where it is nothing but a variable; ``constant``: it holds none."""

    def __init__(self, node: ValueNode) -> None:
        self._node = node
        self.variable = node.name.value if isinstance(node, VariableNode) else None
        self.constant = not _holds_variable(node)

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """The literal as JSON input; fields and elements of variables that were not given are left out."""
        return _value(self._node, variables)


def _holds_variable(node: ValueNode) -> bool:
    if isinstance(node, ObjectValueNode):
        return any(_holds_variable(field.value) for field in node.fields)
    if isinstance(node, ListValueNode):
        return any(map(_holds_variable, node.values))
    return isinstance(node, VariableNode)


def _value(node: ValueNode, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, ObjectValueNode):
        pairs = ((field.name.value, _value(field.value, variables)) for field in node.fields)
        return {name: value for name, value in pairs if value is not _ABSENT}
    if isinstance(node, ListValueNode):
        values = (_value(element, variables) for element in node.values)
        return [None if value is _ABSENT else value for value in values]
    if isinstance(node, VariableNode):
        return variables.get(node.name.value, _ABSENT)
    return _scalar(node)


def _scalar(node: ValueNode) -> Any:
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, FloatValueNode):
        return float(node.value)
    if isinstance(node, StringValueNode | EnumValueNode | BooleanValueNode):
        return node.value
    return None


def java_literal(node: ValueNode) -> str:
    """``node`` as a Java server prints it: ``ObjectValue{objectFields=[...]}``."""
    if isinstance(node, ObjectValueNode):
        fields = (f"ObjectField{{name='{f.name.value}', value={java_literal(f.value)}}}" for f in node.fields)
        return f"ObjectValue{{objectFields=[{', '.join(fields)}]}}"
    if isinstance(node, ListValueNode):
        return f"ArrayValue{{values=[{', '.join(map(java_literal, node.values))}]}}"
    if isinstance(node, StringValueNode):
        return f"StringValue{{value='{node.value}'}}"
    if isinstance(node, EnumValueNode):
        return f"EnumValue{{name='{node.value}'}}"
    if isinstance(node, BooleanValueNode):
        return f"BooleanValue{{value={str(node.value).lower()}}}"
    if isinstance(node, IntValueNode | FloatValueNode):
        return f"{'Int' if isinstance(node, IntValueNode) else 'Float'}Value{{value={node.value}}}"
    if isinstance(node, NullValueNode):
        return "NullValue{}"
    assert isinstance(node, VariableNode)
    return f"VariableReference{{name='{node.name.value}'}}"
