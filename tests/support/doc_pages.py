"""What the documents tell people to type and to open, and what the scripts understand of it."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from services.common.settings import REPOSITORY

DOCUMENTS = (
    *sorted(REPOSITORY.glob("*.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_PLACEHOLDER = re.compile(r"<[^<>\n]+>")
_COMMENT = re.compile(r"(^|\s)# .*$", re.MULTILINE)
_SCRIPT = re.compile(r"(?:.*/)?scripts/(\w+)\.py")
_SEPARATORS = "();<>|&\n"
#: Those that begin with what every Python can read; what they understand is elsewhere.
_ENTERED = {
    "start": "scripts.launcher.start_command",
    "status": "scripts.launcher.status_command",
    "stop": "scripts.launcher.stop_command",
    "test": "scripts.launcher.test_command",
}


class Typed(NamedTuple):
    """One call of a script, as a document prints it."""

    script: str
    words: tuple[str, ...]


def name_of(document: Path) -> str:
    """For the list of tests."""
    return str(document.relative_to(REPOSITORY))


def prose(text: str) -> str:
    """Without blocks of code."""
    return _BLOCK.sub("", text)


def spans(text: str) -> list[str]:
    """What stands between backticks in the prose."""
    return _SPAN.findall(prose(text))


def shell_blocks(text: str) -> list[str]:
    """Blocks of commands."""
    return [block for language, block in _BLOCK.findall(text) if language == "bash"]


def links(text: str) -> list[str]:
    """Where links of the prose lead."""
    return _LINK.findall(prose(text))


def anchors(text: str) -> set[str]:
    """What can follow `#`, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def typed_in(shell: str) -> Iterator[Typed]:
    """The calls of our scripts in a block of commands, or in a part of a line."""
    plain = _COMMENT.sub("", _PLACEHOLDER.sub("0", shell)).replace("\\\n", " ")
    lexer = shlex.shlex(plain, posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace, lexer.commenters, lexer.whitespace_split = " \t", "", True
    words: list[str] = []
    for word in [*lexer, "\n"]:
        if not set(word) <= set(_SEPARATORS):
            words.append(word)
            continue
        for position, each in enumerate(words):
            if found := _SCRIPT.fullmatch(each):
                yield Typed(found[1], tuple(words[position + 1 :]))
                break
        words = []


class _Understood(Exception):
    """Carries the parser of a script out of its `main`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


@cache
def parser_of(script: str) -> argparse.ArgumentParser:
    """What a script understands; nothing of it is run but the making of its parser."""
    module = importlib.import_module(_ENTERED.get(script, f"scripts.{script}"))
    if not hasattr(module, "argparse"):  # it takes no words, and must not be run
        return argparse.ArgumentParser(script, add_help=False)

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Understood(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        patch.setattr("sys.argv", [f"{script}.py"])
        with pytest.raises(_Understood) as understood:
            module.main()
    return understood.value.parser


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option, of subcommands too."""
    own = {option for action in parser._actions for option in action.option_strings}
    return own.union(*(options_of(each) for each in _subcommands(parser).values()))


def subcommands_of(parser: argparse.ArgumentParser) -> set[str]:
    """The words that may come first; empty where there are none."""
    first = [action for action in parser._actions if not action.option_strings][:1]
    choices = next(({*map(str, each.choices)} for each in first if each.choices), set())
    return {*_subcommands(parser)} or choices


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    of_kind = argparse._SubParsersAction
    return next((dict(each.choices) for each in parser._actions if isinstance(each, of_kind)), {})
