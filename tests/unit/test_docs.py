"""What documents name is there: scripts and what they understand, files, links, names, tests."""

import ast
import re
import subprocess
from functools import cache

import pytest

from scripts.launcher.table import SERVICES
from scripts.make_roles import own_uses_of
from services.common.settings import REPOSITORY
from tests.support.doc_pages import (
    DOCUMENTS,
    Typed,
    anchors,
    links,
    name_of,
    options_of,
    parser_of,
    shell_blocks,
    spans,
    subcommands_of,
    typed_in,
)

TEXTS = {name_of(document): document.read_text(encoding="utf-8") for document in DOCUMENTS}
FOLDERS = ("brokers", "deploy", "docs", "frontend-admin", "scripts", "services", "tests")
CODE = (".py", ".ts", ".tsx", ".sample", ".toml", ".json", ".yaml", ".yml", ".js", ".tf", ".timer")
#: Names in capitals that only the reader's terminal knows.
OF_THE_READER = {"MT_KEY"}


def in_blocks():
    for name, text in TEXTS.items():
        for block in shell_blocks(text):
            for number, each in enumerate(typed_in(block)):
                yield pytest.param(each, id=f"{name}-{each.script}-{number}")


def in_sentences():
    """Parts of a line: a command without what it must be given, a list of subcommands."""
    for name, text in TEXTS.items():
        yield from ((name, span) for span in spans(text))
    for file in sorted(REPOSITORY.glob("scripts/*.py")):
        said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        lines = re.findall(r"^ +.*scripts/\w+\.py.*$", said, re.MULTILINE)
        yield from ((f"scripts/{file.name}", line) for line in lines)


NAMED = [
    pytest.param(found[1], found[2], id=f"{name}-{span[:40]}")
    for name, span in in_sentences()
    if (found := re.search(r"scripts/(\w+)\.py\b([^`]*)", span.replace("\\|", "|")))
]


@pytest.mark.parametrize("typed", [*in_blocks()])
def test_a_script_understands_what_a_document_prints(typed: Typed, capsys):
    try:
        _, more = parser_of(typed.script).parse_known_args(list(typed.words))
    except SystemExit:
        refused = capsys.readouterr().err
        assert "invalid choice: '0'" in refused, refused  # something in angle brackets
        more = []
    assert all(re.fullmatch(r"\w+=.+|…", word, re.DOTALL) for word in more), more


@pytest.mark.parametrize(("script", "words"), NAMED)
def test_a_script_that_a_sentence_names_knows_its_words(script, words):
    assert (REPOSITORY / "scripts" / f"{script}.py").is_file()
    if re.search(r"--\w|^ [a-z]", words):
        parser = parser_of(script)
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", words)) <= options_of(parser)
        first = re.match(r" ([a-z][a-z|/-]*)(?=[\s,]|$)", words)
        known = subcommands_of(parser)
        assert not (first and known) or set(re.split(r"[|/]", first[1])) <= known


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    here = REPOSITORY / name
    for link in links(TEXTS[name]):
        path, _, anchor = link.partition("#")
        if "://" in link or path.startswith("mailto:"):
            continue
        file = (here.parent / path).resolve() if path else here
        assert file.exists(), link
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("name", TEXTS)
def test_files_that_are_named_are_there(name):
    named = {
        span
        for span in spans(TEXTS[name])
        if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./*-]*", span)
    }
    assert {span for span in named if not list(REPOSITORY.glob(span.strip("/")))} == set()


@cache
def everything_written() -> str:
    """All code and configuration of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *FOLDERS, ".env.sample", ".ci"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    files = [REPOSITORY / each for each in listed if each.endswith(CODE) or "." not in each]
    return "\n".join(each.read_text(encoding="utf-8") for each in files if each.is_file())


@pytest.mark.parametrize("name", TEXTS)
def test_settings_codes_and_words_in_capitals_are_in_the_code(name):
    words = {
        word
        for span in spans(TEXTS[name])
        for word in re.findall(r"(?<![\w$])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w<-])", span)
    }
    assert {word for word in words if word not in everything_written()} - OF_THE_READER == set()


def test_tests_that_are_named_are_there():
    defined = set(re.findall(r"def (test_\w+)", everything_written()))
    named = {span for text in TEXTS.values() for span in spans(text) if span.startswith("test_")}
    assert {span for span in named if re.fullmatch(r"test_\w+", span)} - {
        *defined,
        "test_id",
    } == set()


def test_every_document_is_reached_from_the_readme():
    reached, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        here = waiting.pop()
        if here.suffix == ".md" and here not in reached:
            reached.add(here)
            paths = [link.partition("#")[0] for link in links(here.read_text(encoding="utf-8"))]
            found = [(here.parent / path).resolve() for path in paths if path and ":" not in path]
            waiting += [file for file in found if file.is_file()]
    assert [name_of(each) for each in DOCUMENTS if each not in reached] == []


def test_every_script_is_in_a_document():
    everything = "\n".join(TEXTS.values())
    runnable = [
        file.stem
        for file in REPOSITORY.glob("scripts/*.py")
        if 'if __name__ == "__main__"' in file.read_text(encoding="utf-8")
    ]
    assert [name for name in sorted(runnable) if f"{name}.py" not in everything] == []


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "dashboard_creator"])
def test_the_readme_says_what_a_service_writes(service):
    """Of dashboard_creator the source does not say which of the collections that it names."""
    rows = [line for line in TEXTS["README.md"].splitlines() if line.startswith(f"| {service} |")]
    assert len(rows) == 1
    said = set(re.findall(r"\w+", rows[0].split("|")[4]))
    assert own_uses_of(service)[1] - said == set()


def test_every_page_is_described():
    router = (REPOSITORY / "frontend-admin/src/app/router.tsx").read_text(encoding="utf-8")
    addresses = re.findall(r"(?:page\(\s*|path: )'(/[^']*)'", router)
    assert len(addresses) > 15
    said = {address.partition("/…")[0] for address in spans(TEXTS["docs/pages.md"])}
    wanted = {re.sub(r":id$", "ID", each).replace(":part", "PART") for each in addresses}
    assert {each.removesuffix("/*") for each in wanted} - said - {"/settings"} == set()


def quoted_sentences():
    """What operators look for in logs: the first column of tables on troubles."""
    tables = {
        "docs/reliability.md": ["seen"],
        "docs/operations.md": ["the sentence", "what remains"],
    }
    for name, heads in tables.items():
        for head in heads:
            rows = TEXTS[name].split(f"\n| {head} |")[1].split("\n\n")[0].splitlines()[2:]
            assert len(rows) > 3
            yield from (span for row in rows for span in spans(row.split(" | ")[0]))


def test_what_troubleshooting_quotes_is_what_the_code_says():
    code = re.sub(r"\"\s*f?\"", "", everything_written())  # sentences over several lines
    not_ours = {"Connect call failed", "orders.py resolve --resend"}
    parts = {part.strip(" :,") for span in quoted_sentences() for part in span.split("…")}
    assert len(parts) > 15
    assert {part for part in parts if part not in code} - not_ours == set()
