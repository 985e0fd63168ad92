"""What a misspelt name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def near(name: str, known: Iterable[str]) -> str | None:
    """``did you mean ...?`` for a misspelt name, or None."""
    from difflib import get_close_matches

    options = list(known)
    folded = {option.lower().replace("_", ""): option for option in options}
    hits = get_close_matches(name.lower().replace("_", ""), folded, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(folded[h] for h in hits)}?" if hits else None
