"""The YAML of a score's code, read so that no text can hang or swell this process.

The text is somebody else's: tags that make objects are refused, and so is what is small on paper and huge or endless when
read (aliases of aliases, merges of merges, nests, numbers of many digits).

Source: docs/remotes/plexus.md#score
Source: docs/remotes/plexus.md#limits
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 400 * 1024
"""What Plexus stores of one record at most."""
_DEEPEST = 100
_MOST_NODES = 250_000
_LONGEST_NUMBER = 1000

_NUMBER = re.compile(r"[-+]?[0-9][0-9_:.]*")
_WRONG = (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises, beside its own errors, for values that are not of their tag."""


def parsed(text: str) -> Any:
    """What a YAML text holds: dicts, lists and plain values. Raises: InvalidInput, saying where the text is wrong."""
    import yaml  # a sync or a status never needs it

    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise InvalidInput("the YAML is too long", why=f"Plexus stores at most {MOST_BYTES // 1024} KB of it")
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is there where PyYAML was built with libyaml
    try:
        _bound(yaml.parse(text, Loader=loader))
        return yaml.load(text, Loader=loader)
    except InvalidInput:
        raise
    except yaml.YAMLError as exc:
        raise InvalidInput("the YAML cannot be read", why=str(exc)) from exc
    except _WRONG as exc:
        raise InvalidInput("the YAML holds a value that is not of its kind", why=str(exc)) from exc


class _Open:
    """A list or dict whose end is not yet read: its anchor, and how many nodes it has so far, aliases followed."""

    __slots__ = ("anchor", "nodes")

    def __init__(self, anchor: str | None) -> None:
        self.anchor = anchor
        self.nodes = 1


def _bound(events: Iterator[yaml.Event]) -> None:
    """Follow the text without building anything. Raises: InvalidInput when building it would not end well."""
    import yaml

    sizes: dict[str, int] = {}
    above = [_Open(None)]
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            above.append(_Open(event.anchor))
            if len(above) > _DEEPEST:
                raise InvalidInput(f"the YAML is nested more than {_DEEPEST - 1} deep")
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            ended = above.pop()
            anchor, size = ended.anchor, ended.nodes
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = None, _alias(event.anchor, sizes, above)
        elif isinstance(event, yaml.ScalarEvent):
            _check_number(event)
            anchor, size = event.anchor, 1
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        above[-1].nodes += size
        if above[-1].nodes > _MOST_NODES:
            raise InvalidInput(f"the YAML stands for more than {_MOST_NODES} values", why="its aliases multiply")


def _alias(anchor: str | None, sizes: dict[str, int], above: list[_Open]) -> int:
    if any(one.anchor == anchor for one in above):
        raise InvalidInput(f"the YAML holds itself: *{anchor} stands inside &{anchor}")
    return sizes.get(anchor or "", 1)  # an unknown one is refused when the text is read


def _check_number(event: yaml.ScalarEvent) -> None:
    """Numbers to the base 60 (``1:30:00``) cost the square of their length."""
    tag = event.tag or ""
    if len(event.value) > _LONGEST_NUMBER and (tag.endswith(("int", "float")) or _NUMBER.fullmatch(event.value)):
        raise InvalidInput(f"the YAML has a number of {len(event.value)} characters")
