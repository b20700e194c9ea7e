"""Text of the program's that goes into a frame: short enough, and such that it can be packed.

Law: a name or path may hold anything, also what is no Unicode; such is shown escaped.
"""

from __future__ import annotations

from typing import Any

LONGEST = 500


def clean(text: str, most: int = LONGEST) -> str:
    """The text, cut, and without lone surrogates, as in the name of a file that is not UTF-8."""
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def clean_record(thing: Any) -> Any:
    """The same for all text in a finding record; stacks too deep to be read are cut."""
    if isinstance(thing, str):
        return clean(thing, 4 * LONGEST)
    if isinstance(thing, dict):
        return {name: clean_record(value[-_DEEPEST:] if name == "stack" else value) for name, value in thing.items()}
    if isinstance(thing, list):
        return [clean_record(each) for each in thing]
    return thing


_DEEPEST = 100
