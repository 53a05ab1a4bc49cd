"""The page of a study: complete in itself, the same each time, and safe with any name."""

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from services.portfolio_builder.backtest.run import run_study
from services.portfolio_builder.constraints import Constraints, GroupCap, Method
from services.portfolio_builder.exports import (
    correlation_csv,
    equity_csv,
    weights_csv,
    windows_csv,
)
from services.portfolio_builder.study import History, StudyRequest, WalkForward
from services.portfolio_builder.study_result import StudyResult
from services.portfolio_builder.tearsheet.page import tearsheet
from services.portfolio_builder.tearsheet.words import binding_words, number, percent, probability
from tests.support.track_records import make_record, make_records, weekdays

EVIL = '=<script>alert("1")</script>&$x$'
VOID = {"meta", "br", "img", "path", "use", "rect", "line", "circle"}


def study(records, **request):
    values = {
        "strategy_ids": tuple(each.strategy_id for each in records),
        "method": Method.MAX_GROWTH,
        "constraints": Constraints(max_weight_ratio=0.6, max_drawdown_ratio=0.2),
        "walk_forward": WalkForward(target_volatility_ratio=0.1, governor=True),
        "history": History(full_days=1, backtest_part=1),
    }
    return run_study(
        StudyRequest(**values | request),
        records,
        {"A": 0.5},
        tell=lambda done, words: None,
        finished={},
        keep=lambda name, part: None,
    )


@pytest.fixture(scope="module")
def result():
    young = make_record("Y", 100, dates=weekdays(600)[500:])
    evil = make_record(EVIL, 600)
    limits = Constraints(
        max_weight_ratio=0.6,
        groups=(GroupCap(name="<b>", strategy_ids=("A", EVIL), max_ratio=0.9),),
    )
    records = [*make_records(3, 600), evil, young]
    return study(records, constraints=limits, method=Method.HYBRID, cross_validation=True)


class Tree(HTMLParser):
    """Whether each tag is closed where it must be, and what a browser would fetch or run."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.links, self.ids = [], set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in {"href", "src", "xlink:href", "action", "data"}:
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
            assert not name.startswith("on")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(result):
    page = tearsheet(result)
    tree = Tree(page)
    assert tree.open == []
    assert not tree.tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert all(each.startswith("#") for each in tree.links)
    assert {each[1:] for each in tree.links} <= set(tree.ids)
    assert len(tree.ids) == len(set(tree.ids))
    assert "http" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_a_name_is_text_wherever_it_stands(result):
    page = tearsheet(result, title=EVIL)
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&quot;1&quot;)") > 3
    assert "<b>" not in page.replace("<b>Total</b>", "")


def test_the_same_result_gives_the_same_bytes(result):
    again = StudyResult.model_validate_json(result.model_dump_json())
    assert tearsheet(result) == tearsheet(again)


def test_what_to_doubt_comes_before_any_figure(result):
    page = tearsheet(result)
    assert result.warnings
    assert 0 < page.index('class="warnings"') < page.index("Out of sample, after costs")


def test_every_part_is_on_the_page(result):
    page = tearsheet(result)
    for name in (
        "Out of sample, after costs", "Equity", "Drawdown", "Rolling Sharpe ratio",
        "Exposure and margin", "Frontier", "Proposed weights", "Weights over time",
        "Monthly returns", "Correlation", "How much may be luck", "Windows",
    ):  # fmt: skip
        assert f"<h2>{name}" in page
    assert result.data_hash in page
    assert "with overlays" in page
    assert "Current allocation" in page
    assert page.count("<svg") == 6
    # The young strategy is left out, and why is told.
    assert "100 days" in page
    judged = result.walk_forward.judged.figures
    assert f">{number(judged.sharpe)}<" in page
    assert f">{percent(-judged.max_drawdown_ratio)}<" in page


def test_a_page_stays_below_a_megabyte():
    many = [make_record(f"Strategy-{each}", 700) for each in range(60)]
    page = tearsheet(study(many, method=Method.EQUAL_WEIGHT, walk_forward=WalkForward()))
    assert len(page.encode()) < 1_000_000
    assert "20 strategies with less weight are not shown" in page
    assert "others" in page


def test_weights_alone_have_a_page_too():
    page = tearsheet(study(make_records(2, 300), walk_forward=None))
    Tree(page)
    assert "Proposed weights" in page
    assert "<h2>Windows" not in page


def test_figures_are_written_so_that_nothing_is_minus_zero_or_certain():
    assert percent(-0.00001) == "0.0%"
    assert percent(0.1234, sign=True) == "+12.3%"
    assert percent(-0.1234) == "−12.3%"
    assert percent(None) == number(None) == "–"
    assert number(1234.5678) == "1,234.57"
    assert probability(0.9999999) == "above 99.9%"


def test_caps_that_bind_are_counted_where_they_are_many():
    caps = [f"at most 0.1 of {each}" for each in "ABCD"]
    assert binding_words(["max_total_ratio 2", *caps]) == "max_total_ratio 2; caps of 4 strategies"
    assert binding_words(caps[:1]) == "at most 0.1 of A"
    assert binding_words([]) == "nothing"


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_no_cell_of_a_table_is_a_formula(result):
    for text in (weights_csv(result), correlation_csv(result)):
        cells = [cell for row in rows(text) for cell in row]
        assert "'" + EVIL in cells
        for cell in cells:
            if cell.startswith(("=", "+", "-", "@")):
                float(cell)  # a number, and nothing else, may begin like this


def test_tables_hold_the_result_to_the_last_digit(result):
    forward = result.walk_forward
    table = rows(equity_csv(result))
    at = table[0].index("with_overlays_equity")
    assert [float(row[at]) for row in table[1:]] == list(forward.judged.equity)
    assert [row[0] for row in table[1:]] == [each.isoformat() for each in forward.dates]
    table = rows(weights_csv(result))
    assert len(table) == len(forward.windows) + 2
    assert [float(each) for each in table[-1][3:]] == list(result.proposed.weights.values())
    table = rows(windows_csv(result))
    assert len(table) == len(forward.windows) + 1
    assert float(table[1][-1]) == forward.windows[0].out_of_sample.max_drawdown_ratio
    table = rows(correlation_csv(result))
    assert [row[0] for row in table] == table[0]
    assert float(table[1][2]) == result.correlation[0][1]


def test_a_study_of_weights_alone_has_tables_without_windows():
    result = study(make_records(2, 300), walk_forward=None)
    assert rows(equity_csv(result)) == [["date"]]
    assert len(rows(windows_csv(result))) == 1
    assert rows(weights_csv(result))[-1][0] == "proposed"


def test_a_name_does_not_turn_around_the_figures_after_it():
    name = "strategy \u202e\u2067abc"
    page = tearsheet(study([*make_records(2, 400), make_record(name, 400)]), title=name)
    assert "strategy abc" in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)


def test_what_is_not_known_is_not_in_a_legend():
    result = study(make_records(2, 400))
    held = study([make_record(each, 400, margins=np.full(400, 0.2)) for each in "AB"])
    assert "Margin in use" not in tearsheet(result)
    assert "Margin in use" in tearsheet(held)


def test_an_axis_has_ticks_where_little_happened():
    calm = [replace(each, returns=each.returns / 20) for each in make_records(2, 400)]
    page = tearsheet(study(calm))
    assert len(set(re.findall(r"([\d.]+)×</text>", page))) >= 3
