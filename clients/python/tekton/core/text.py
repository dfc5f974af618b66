"""Which characters a name may not hold: those that nobody sees, and that change how what stands around them is shown.

With them a name forges lines of a log, or the order of a line: U+202E shows everything after it from right to left.
"""

from __future__ import annotations

import unicodedata

# Control characters; format characters (bidirectional controls, zero-width spaces, tags, soft hyphens, byte order
# marks); lone surrogates; and the separators that end a line. Not the wide spaces.
_REFUSED = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
# Zero width non-joiner and joiner: Persian, the scripts of India, and emoji of several parts are not written without.
_JOINERS = "\u200c\u200d"


def invisible(character: str) -> bool:
    """Tell whether nobody sees a character, or it changes how what stands around it is shown; joiners aside."""
    return unicodedata.category(character) in _REFUSED and character not in _JOINERS


def refused_character(text: str) -> str | None:
    """Tell about the first character that a name may not hold, such as "U+202E at index 3"; None where all may stay.

    A joiner may stand after a character beyond ASCII that is none itself: elsewhere it has nothing to join, and would
    only make two names of one look.
    """
    if text.isprintable():
        return None
    for index, character in enumerate(text):
        if character in _JOINERS and index and _takes_joiner(text[index - 1]):
            continue
        if unicodedata.category(character) in _REFUSED:
            return f"U+{ord(character):04X} at index {index}"
    return None


def _takes_joiner(character: str) -> bool:
    return not character.isascii() and character not in _JOINERS


def told(value: object) -> str:
    """Give any value as text; one that cannot say what it is, is told by its kind: it must not cost what is told."""
    try:
        return str(value)
    except Exception:  # str() runs whatever the application wrote there
        return f"<{type(value).__name__}>"
