"""Names in double quotes and questions in braces, taken out of a question and put back.

One private-use character stands for each, so that no pattern reads what is inside of them.
"""

import re
from dataclasses import dataclass, field

from robomem.query import Query

_FIRST_NAME, _FIRST_QUERY, _END = 0xE000, 0xF000, 0xF900
NAME = f"[{chr(_FIRST_NAME)}-{chr(_FIRST_QUERY - 1)}]"
QUERY = f"[{chr(_FIRST_QUERY)}-{chr(_END - 1)}]"
BRACED = re.compile(r"\{([^{}]*)\}")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Masks:
    """What was taken out, by the character that stands for it."""

    names: dict[str, str] = field(default_factory=dict)
    queries: dict[str, Query] = field(default_factory=dict)

    def take_names(self, question: str) -> str:
        """Return the question with a character in the place of every quoted name."""
        text = "".join(c for c in question if not _FIRST_NAME <= ord(c) < _END)
        return _QUOTED.sub(self._hide_name, re.sub("[\u201c\u201d]", '"', text))

    def hide_query(self, query: Query) -> str:
        """Return the character that stands for a query from now on."""
        mask = chr(_FIRST_QUERY + len(self.queries))
        self.queries[mask] = query
        return f" {mask} "

    def restored(self, words: str) -> str:
        """Put the quoted names back."""
        for mask, quoted in self.names.items():
            words = words.replace(mask, quoted)
        return words

    def _hide_name(self, match: re.Match[str]) -> str:
        name = " ".join(match[1].lower().split())
        if not name:
            return " "
        mask = chr(_FIRST_NAME + len(self.names))
        self.names[mask] = name
        return f" {mask} "
