"""What Telegram takes as HTML: few tags, all of them closed, everything else escaped."""

from __future__ import annotations

import html
import re

_TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a"}
_TOKEN = re.compile(r"<(/?)([a-zA-Z-]+)([^<>]*)>|<|>|&(?!(lt|gt|amp|quot|#\d+);)")


class BadMarkup(Exception):
    """Telegram would answer 400."""


def plain(text: str) -> str:
    """The text as people see it. Raises: BadMarkup."""
    open_tags: list[str] = []
    for found in _TOKEN.finditer(text):
        closing, tag = found.group(1), found.group(2)
        if tag is None:
            if found.group() == ">":
                continue
            raise BadMarkup(f'can\'t parse entities: unexpected "{found.group()}"')
        if tag not in _TAGS:
            raise BadMarkup(f'can\'t parse entities: unsupported start tag "{tag}"')
        if not closing:
            open_tags.append(tag)
        elif not open_tags or open_tags.pop() != tag:
            raise BadMarkup(f'can\'t parse entities: unexpected end tag "{tag}"')
    if open_tags:
        raise BadMarkup(f"can't parse entities: can't find end tag for \"{open_tags[-1]}\"")
    return html.unescape(re.sub(r"</?[a-zA-Z-]+[^<>]*>", "", text))


def letters(text: str) -> int:
    """UTF-16 code units, as Telegram counts."""
    return len(text.encode("utf-16-le")) // 2
