"""Track records as developers send them: what is read, what is asked, what is refused."""

import csv
import io
import json
import zipfile
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.portfolio_builder.records.columns import Role
from services.portfolio_builder.records.days import DateOrder
from services.portfolio_builder.records.questions import Answers, Topic
from services.portfolio_builder.records.reader import read_table
from services.portfolio_builder.records.review import review_of
from services.portfolio_builder.records.tables import BadRecord
from services.portfolio_builder.records.units import Confidence, Timing, Unit
from tests.support.records import (
    MONDAY,
    MOVES,
    TODAY,
    csv_of,
    seed_files,
    simple,
    weekdays,
    workbook,
)


def read(content, **answers):
    return review_of(read_table(content), Answers(**answers), today=TODAY)


def ratios(content, **answers):
    return [day.ratio for day in read(content, **answers).days]


def question(found, topic):
    (only,) = [each for each in found.review.questions if each.topic is topic]
    return only


def refusal(content, **answers):
    with pytest.raises(BadRecord) as caught:
        read(content, **answers)
    return caught.value


# --- what is read -----------------------------------------------------------------------------


def test_returns_are_read_as_exactly_as_they_were_written():
    found = read(simple())
    assert [day.ratio for day in found.days] == MOVES
    assert [day.on for day in found.days] == weekdays(len(MOVES))


def test_newest_first_and_shuffled_rows_make_the_same_record():
    rows = list(zip(weekdays(30), MOVES, strict=True))
    oldest = read(csv_of(rows))
    for order, words in ((rows[::-1], "newest first"), (rows[15:] + rows[:15], "not sorted")):
        found = read(csv_of(order))
        assert found.days == oldest.days
        assert found.review.content_hash == oldest.review.content_hash
        assert found.review.file_order == words
        assert any("sorted by day" in note for note in found.review.notes)


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
def test_any_delimiter_is_read(sep):
    assert ratios(simple(sep=sep)) == MOVES


def test_a_byte_order_mark_utf_16_and_windows_letters_are_read():
    assert ratios(b"\xef\xbb\xbf" + simple()) == MOVES
    assert ratios(simple().decode().encode("utf-16")) == MOVES
    found = read(
        simple(header="date,return,Währung", moves=[f"{m},x" for m in MOVES])
        .decode()
        .encode("cp1252")
    )
    assert [day.ratio for day in found.days] == MOVES
    assert any("Windows-1252" in note for note in found.review.notes)


def test_decimal_commas_thousands_currencies_and_parentheses_are_read():
    days = weekdays(4)
    rows = [
        (days[0], "0,5%", "€ 1.234,50"),
        (days[1], "(0,25 %)", "(3.000,00)"),
        (days[2], "−1,5%", "0"),
        (days[3], "2%", "12.345.678,9"),
    ]
    found = read(csv_of(rows, header="Datum,Rendite,PnL", sep=";"))
    assert [day.ratio for day in found.days] == [
        Decimal(x) for x in ("0.005", "-0.0025", "-0.015", "0.02")
    ]
    assert [day.pnl for day in found.days] == [
        Decimal(x) for x in ("1234.50", "-3000", "0", "12345678.9")
    ]


def test_quoted_thousands_with_points_for_decimals_are_read():
    days = weekdays(3)
    text = (
        f'date,return,pnl\n{days[0]},0.01,"1,234.50"\n{days[1]},-0.02,"(2,000)"\n{days[2]},0,$5\n'
    )
    assert [day.pnl for day in read(text.encode()).days] == [
        Decimal("1234.50"),
        Decimal(-2000),
        Decimal(5),
    ]


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d",
        "%Y/%m/%d",
        "%Y%m%d",
        "%d-%b-%Y",
        "%b %d %Y",
        "%d.%m.%Y",
        "%m/%d/%Y",
        "%Y-%m-%d 00:00:00",
        "%Y-%m-%dT16:00:00-05:00",
        "%d/%m/%y",
    ],
)
def test_any_way_of_writing_a_day_is_read(form):
    days = weekdays(30)
    found = read(csv_of([(day.strftime(form), m) for day, m in zip(days, MOVES, strict=True)]))
    assert [day.on for day in found.days] == days


def test_a_file_without_a_header_is_told_apart_by_its_content():
    found = read(simple(header=""))
    assert [day.ratio for day in found.days] == MOVES
    assert any("no header" in note for note in found.review.notes)


def test_columns_have_many_names_and_a_person_may_name_them():
    header = "Trading Day,Strategy P&L,Net Daily Return,Margin Used,Account Equity,Notional Value"
    rows = [(day, 5, m, 7, 1000, 9) for day, m in zip(weekdays(30), MOVES, strict=True)]
    assert read(csv_of(rows, header=header)).review.columns == {
        Role.DATE: "Trading Day",
        Role.PNL: "Strategy P&L",
        Role.RETURN: "Net Daily Return",
        Role.MARGIN: "Margin Used",
        Role.EQUITY: "Account Equity",
        Role.NOTIONAL: "Notional Value",
    }
    two = csv_of(
        [(d, m, -m) for d, m in zip(weekdays(30), MOVES, strict=True)],
        header="date,long returns,short returns",
    )
    assert refusal(two).code == "RECORD_COLUMNS"
    assert ratios(two, columns={"return": "short returns"}) == [-m for m in MOVES]
    assert "there is no column" in str(refusal(two, columns={"return": "nothing"}))


def test_identical_rows_count_once_and_are_told():
    rows = list(zip(weekdays(30), MOVES, strict=True))
    found = read(csv_of([*rows, rows[3], rows[3]]))
    assert len(found.days) == 30
    assert found.review.collapsed == (rows[3][0],)


def test_missing_days_are_listed_and_holidays_are_no_question():
    days = weekdays(60)
    kept = [day for day in days if day not in {days[10], days[30], days[31]}]
    found = read(csv_of([(day, MOVES[n % 30]) for n, day in enumerate(kept)]))
    assert [(gap.after, gap.missing) for gap in found.review.gaps] == [(days[29], 2), (days[9], 1)]
    assert [each.topic for each in found.review.questions] == [Topic.UNIT]


def test_a_hole_of_weeks_must_be_signed_for():
    days = weekdays(60)
    rows = [(day, MOVES[n % 30]) for n, day in enumerate(days[:20] + days[40:])]
    found = read(csv_of(rows))
    assert "20 after" in question(found, Topic.LONG_GAPS).sentence
    answers = Answers(unit=Unit.FRACTION)
    assert [each.topic for each in found.unanswered(answers)] == [Topic.LONG_GAPS]
    signed = Answers(unit=Unit.FRACTION, signed_off=(Topic.LONG_GAPS,))
    assert found.unanswered(signed) == ()


def test_a_record_of_every_day_has_gaps_on_weekends_too():
    days = [MONDAY + timedelta(days=n) for n in range(28)]
    found = read(csv_of([(day, MOVES[n]) for n, day in enumerate(days) if n != 6]))
    assert found.review.weekend_days == 7
    assert [(gap.after, gap.missing) for gap in found.review.gaps] == [(days[5], 1)]


def test_times_and_zones_are_left_out_and_told():
    rows = [(f"{day}T23:30:00-05:00", m) for day, m in zip(weekdays(30), MOVES, strict=True)]
    found = read(csv_of(rows))
    assert [day.on for day in found.days] == weekdays(30)
    assert any("-05:00" in note and "UTC" in note for note in found.review.notes)


def test_a_tomorrow_elsewhere_is_read_and_the_day_after_is_not():
    rows = [(TODAY + timedelta(days=n), MOVES[n + 5]) for n in (-1, 0, 1)]
    assert len(read(csv_of(rows)).days) == 3
    error = refusal(csv_of([*rows, (TODAY + timedelta(days=2), "0.01")]))
    assert (error.code, "2026-11-23" in str(error)) == ("RECORD_FUTURE", True)


def test_a_percent_sign_before_the_figure_counts_and_one_within_is_refused():
    days = weekdays(30)
    signed = csv_of([(day, f"%{m}") for day, m in zip(days, MOVES, strict=True)])
    assert read(signed).days[0].ratio == MOVES[0] / 100
    assert refusal(csv_of([(day, "5%5") for day in days])).code == "RECORD_NUMBER"


def test_a_percentage_is_no_amount_of_money():
    rows = [(day, f"{m};5%") for day, m in zip(weekdays(30), MOVES, strict=True)]
    assert "percentage" in str(refusal(csv_of(rows, header="date;return;margin", sep=";")))


def test_lakhs_are_read_beside_returns_with_points():
    rows = [(day, f'{m},"1,23,456"') for day, m in zip(weekdays(30), MOVES, strict=True)]
    assert read(csv_of(rows, header="date,return,pnl")).days[0].pnl == 123456


def test_decimal_commas_are_read_without_a_header_too():
    days = weekdays(30)
    rows = [(day, f"{m}".replace(".", ",")) for day, m in zip(days, MOVES, strict=True)]
    assert ratios("".join(f"{day};{m}\n" for day, m in rows).encode()) == MOVES


def test_lines_that_are_left_out_are_told():
    found = read(simple() + b"#2030-01-01,0.5\n")
    assert any("begin with #" in note and "1 of them" in note for note in found.review.notes)


@pytest.mark.parametrize("name", ["return_bps", "log return", "cum_return"])
def test_a_column_that_says_it_is_another_figure_is_no_return(name):
    error = refusal(simple().replace(b"return", name.encode()), columns={"return": name})
    assert (error.code, name in str(error)) == ("RECORD_COLUMNS", True)


def test_a_time_that_is_no_midnight_in_utc_is_told():
    india = [datetime(d.year, d.month, d.day, 18, 30, tzinfo=UTC) for d in weekdays(30)]
    rows = [
        {"date": int(at.timestamp() * 1000), "return": float(m)}
        for at, m in zip(india, MOVES, strict=True)
    ]
    notes = read(json.dumps(rows).encode()).review.notes
    assert any("18:30 UTC" in note for note in notes)


# --- Excel and JSON ---------------------------------------------------------------------------


def test_a_workbook_is_read_with_dates_serials_and_texts():
    days = weekdays(30)
    head = ("Date", "Return")
    first = workbook([head, *[(day, float(m)) for day, m in zip(days, MOVES, strict=True)]])
    assert ratios(first) == [Decimal(repr(float(m))) for m in MOVES]
    serials = [
        ((day - date(1899, 12, 30)).days, float(m)) for day, m in zip(days, MOVES, strict=True)
    ]
    assert [day.on for day in read(workbook([head, *serials])).days] == days
    times = [(datetime.combine(d, time(16)), float(m)) for d, m in zip(days, MOVES, strict=True)]
    assert [day.on for day in read(workbook([head, *times])).days] == days


def altered(content, **members):
    """A workbook with further members in its archive."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(kept, "w") as made:
        for each in old.infolist():
            made.writestr(each, old.read(each))
        for name, text in members.items():
            made.writestr(name, text, compress_type=zipfile.ZIP_DEFLATED)
    return kept.getvalue()


def test_workbooks_that_may_do_harm_are_not_opened():
    good = workbook(
        [("date", "return"), *[(d, float(m)) for d, m in zip(weekdays(30), MOVES, strict=True)]]
    )
    macros = altered(good, **{"xl/vbaProject.bin": "x"})
    assert "macros" in str(refusal(macros))
    bomb = altered(good, **{"xl/media/zeros.bin": b"\0" * 30_000_000})
    assert refusal(bomb).code == "RECORD_TOO_LARGE"
    entities = altered(good, **{"xl/a.xml": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>'})
    assert "entities" in str(refusal(entities))
    assert "before 2007" in str(refusal(b"\xd0\xcf\x11\xe0" + b"x" * 100))
    assert refusal(good[: len(good) // 2]).code == "RECORD_UNREADABLE"
    other = altered(good)[:0]
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as archive:
        archive.writestr("record.csv", simple())
    assert "not an .xlsx" in str(refusal(kept.getvalue() + other))


def test_days_that_a_spreadsheet_took_for_dates_in_part_are_refused():
    days = weekdays(30)
    cells = [date(d.year, d.day, d.month) if d.day <= 12 else f"{d:%d/%m/%Y}" for d in days]
    rows = [("Date", "Return"), *zip(cells, map(float, MOVES), strict=True)]
    error = refusal(workbook(rows))
    assert (error.code, "swapped" in str(error)) == ("RECORD_DATE", True)


def test_what_excel_shows_as_percent_is_percent():
    rows = [("Date", "Return %"), *zip(weekdays(30), map(float, MOVES), strict=True)]
    found = read(workbook(rows, formats={"B": "0.00%"}))
    assert [day.ratio for day in found.days] == MOVES
    assert found.review.questions[0].confidence is Confidence.CERTAIN


@pytest.mark.parametrize(
    "text",
    [
        '{"2024-01-01": 0.01, "2024-01-01": 0.02, "2024-01-02": 0.01}',
        '[{"date": "2024-01-01", "return": 1, "return": 2}]',
    ],
)
def test_a_name_that_stands_twice_in_one_object_is_refused(text):
    assert refusal(text.encode()).code == "RECORD_CONTRADICTORY"


@pytest.mark.parametrize("odd", ["1e9999999", "-1e9999999", "1e-9999999"])
def test_exponents_beyond_any_store_are_refused_in_words(odd):
    rows = f'[{{"date": "2024-01-01", "return": {odd}}}, {{"date": "2024-01-02", "return": 0.2}}]'
    assert refusal(rows.encode()).code == "RECORD_NUMBER"
    assert refusal(rows.replace('"2024-01-01"', odd).encode()).code == "RECORD_DATE"


def test_a_line_that_no_reader_takes_is_refused_in_words():
    assert refusal(b"date,return\n2024-01-01," + b"1" * 200_000).code == "RECORD_TOO_LARGE"


def test_json_in_the_seeds_form_in_a_list_and_by_day_is_read():
    rows = [
        {"date": str(day), "return": float(m), "account_equity": 1_000_000 + n}
        for n, (day, m) in enumerate(zip(weekdays(30), MOVES, strict=True))
    ]
    seed = {"strategy_id": "x", "raw_data_backtest_full": rows, "metrics": {}}
    for content in (json.dumps(seed), json.dumps(rows)):
        assert ratios(content.encode()) == [Decimal(repr(float(m))) for m in MOVES]
    by_day = {str(day): float(m) for day, m in zip(weekdays(30), MOVES, strict=True)}
    assert len(ratios(json.dumps(by_day).encode())) == 30


# --- percent or fraction ----------------------------------------------------------------------


def test_the_unit_is_always_asked_and_said_with_what_it_means():
    found = question(read(simple([m * 100 for m in MOVES])), Topic.UNIT)
    assert found.choices == ("PERCENT", "FRACTION")
    large = question(read(simple(["1.52", "-0.7", "0.3"] * 10)), Topic.UNIT)
    assert (
        "the largest daily figure is 1.52; read as percent this is 1.52 % a day" in large.sentence
    )
    assert (large.suggested, large.confidence) == ("PERCENT", Confidence.LIKELY)


def test_signs_settle_the_unit_and_a_mixture_is_refused():
    found = question(read(simple([f"{m}%" for m in MOVES])), Topic.UNIT)
    assert (found.suggested, found.confidence) == ("PERCENT", Confidence.CERTAIN)
    assert ratios(simple([f"{m}%" for m in MOVES])) == [m / 100 for m in MOVES]
    assert refusal(simple(["1%", "0.02", "-1%"])).code == "RECORD_CONTRADICTORY"
    assert ratios(simple(["1%", "0", "-1%"])) == [Decimal("0.01"), 0, Decimal("-0.01")]


@pytest.mark.parametrize("unit", list(Unit))
def test_equity_that_moves_by_the_figures_settles_the_unit(unit):
    scale = 100 if unit is Unit.PERCENT else 1
    equity, rows = Decimal(1_000_000), []
    for day, m in zip(weekdays(30), MOVES, strict=True):
        equity *= 1 + m
        rows.append((day, m * scale, round(equity, 2)))
    found = read(csv_of(rows, header="date,return,equity"))
    asked = question(found, Topic.UNIT)
    assert (asked.suggested, asked.confidence) == (unit, Confidence.CERTAIN)
    assert found.review.equity_timing is Timing.CLOSE
    assert [float(d.ratio) for d in found.days] == pytest.approx([float(m) for m in MOVES])


def test_a_name_says_the_unit_and_figures_that_speak_against_it_make_it_unsure():
    calm = question(read(simple([m / 10 for m in MOVES], header="date,return (%)")), Topic.UNIT)
    assert (calm.suggested, calm.confidence) == ("PERCENT", Confidence.UNSURE)
    wild = question(read(simple([m * 300 for m in MOVES], header="date,return %")), Topic.UNIT)
    assert (wild.suggested, wild.confidence) == ("PERCENT", Confidence.LIKELY)


def test_a_unit_or_an_order_of_dates_is_said_and_never_signed_off():
    found = read(csv_of([(f"0{n}/02/2024", MOVES[n]) for n in range(1, 10)]))
    assert len(found.unanswered(Answers(signed_off=tuple(Topic)))) == 2


def test_figures_with_percent_signs_are_no_fractions_whoever_says_so():
    percents = simple([f"{m}%" for m in MOVES])
    assert refusal(percents, unit=Unit.FRACTION).code == "RECORD_CONTRADICTORY"
    assert ratios(percents, unit=Unit.PERCENT) == [m / 100 for m in MOVES]


def test_a_persons_word_on_the_unit_outranks_what_was_found():
    content = simple([m * 100 for m in MOVES])
    assert ratios(content, unit=Unit.PERCENT) == MOVES
    assert refusal(simple(["1.5", "-2", "3"]), unit=Unit.FRACTION).code == "RECORD_IMPOSSIBLE"


def test_returns_are_computed_from_equity_where_there_are_none():
    rows = list(zip(weekdays(4), ("100", "110", "99", "99"), strict=True))
    found = read(csv_of(rows, header="date,equity"))
    assert [day.ratio for day in found.days] == [Decimal("0.1"), Decimal("-0.1"), 0]
    assert found.review.questions == ()
    assert any("deposits" in note for note in found.review.notes)


# --- day or month first -----------------------------------------------------------------------


def test_days_that_may_be_months_are_asked_and_a_person_decides():
    # 1 to 9 February, or the second of the months January to September.
    rows = [(f"0{n}/02/2024", MOVES[n]) for n in range(1, 10)]
    found = read(csv_of(rows))
    asked = question(found, Topic.DATE_ORDER)
    assert asked.suggested == "DAY_FIRST"
    assert "at most 1 days apart" in asked.evidence[0]
    assert found.days[0].on == date(2024, 2, 1)
    other = read(csv_of(rows), date_order=DateOrder.MONTH_FIRST)
    assert other.days[0].on == date(2024, 1, 2)
    assert found.unanswered(Answers(unit=Unit.FRACTION))[0].topic is Topic.DATE_ORDER


def test_a_day_above_12_proves_the_order_and_both_ways_in_one_file_are_refused():
    rows = [("13/02/2024", "0.01"), ("14/02/2024", "0.02")]
    found = read(csv_of(rows))
    assert [each.topic for each in found.review.questions] == [Topic.UNIT]
    assert refusal(csv_of(rows), date_order=DateOrder.MONTH_FIRST).code == "RECORD_DATE"
    assert "line 3" in str(refusal(csv_of([rows[0], ("02/28/2024", "0.1")])))


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "RECORD_EMPTY", "empty"),
        (b"\xef\xbb\xbf \n", "RECORD_EMPTY", "empty"),
        (b"date,return\n", "RECORD_EMPTY", "no rows"),
        (b"{}", "RECORD_UNREADABLE", "list of rows"),
        (b"[1, 2]", "RECORD_UNREADABLE", "row 1"),
        (b"[" * 100_000, "RECORD_UNREADABLE", "JSON"),
        (b'[{"date": "2024-01-02", "return": 0.1', "RECORD_UNREADABLE", "JSON"),
        (b"\x00\x01\x02binary", "RECORD_UNREADABLE", "NUL"),
        (b"hello\nworld\n", "RECORD_COLUMNS", "no column has days"),
        (b"date,comment\n2024-01-02,x\n2024-01-03,y\n", "RECORD_COLUMNS", "daily return"),
        (csv_of([("2024-01-02", "0.01")]), "RECORD_TOO_SHORT", "found 1"),
        (simple(["0.01"] * 30), "RECORD_CONSTANT", "every day returns the same"),
        (simple(["0"] * 30), "RECORD_CONSTANT", "every day returns the same"),
        (simple(["0.01", "NaN", "0.02"]), "RECORD_NUMBER", "line 3"),
        (simple(["0.01", "", "0.02"]), "RECORD_NUMBER", "line 3"),
        (simple(["0.01", "inf", "0.02"]), "RECORD_NUMBER", "finite"),
        (simple(["0.01", "abc", "0.02"]), "RECORD_NUMBER", "'abc'"),
        (simple(["0.01", "1e400", "0.02"]), "RECORD_NUMBER", "finite"),
        (simple(["1%", "-100%", "2%"]), "RECORD_IMPOSSIBLE", "above −100 %"),
        (simple(["1%", "10000%", "2%"]), "RECORD_IMPOSSIBLE", "10000.00%"),
        (
            csv_of(
                [("2024-01-02", "0.1", "-5"), ("2024-01-03", "0.2", "7")],
                header="date,return,equity",
            ),
            "RECORD_IMPOSSIBLE",
            "equity must be above 0",
        ),
        (
            csv_of([("2024-01-02", "0.1"), ("2024-01-02", "0.2"), ("2024-01-03", "0")]),
            "RECORD_CONTRADICTORY",
            "2024-01-02",
        ),
        (csv_of([("2024-01-02", "0.1"), ("2999-01-03", "0")]), "RECORD_FUTURE", "2999-01-03"),
        (csv_of([("2024-02-30", "0.1"), ("2024-02-03", "0")]), "RECORD_DATE", "line 2"),
        (csv_of([("2024-01-02", "0.1"), ("Total", "0.5")]), "RECORD_DATE", "'Total'"),
        (
            csv_of(
                [("2024-01-02", "0,1", "1.5"), ("2024-01-03", "0,2", "2.5")],
                header="date;return;pnl",
                sep=";",
            ),
            "RECORD_CONTRADICTORY",
            "comma",
        ),
        (csv_of([("2024-01-02", "0.1", "9"), ("2024-01-03", "0")]), "RECORD_UNREADABLE", "cells"),
        (
            b'[{"date": "2024-01-02", "return": NaN}, {"date": "2024-01-03", "return": 1}]',
            "RECORD_NUMBER",
            "NaN",
        ),
    ],
)
def test_what_is_no_record_is_refused_with_what_was_found(content, code, words):
    error = refusal(content)
    assert (error.code, words in str(error)) == (code, True), str(error)


def test_a_file_of_trades_is_named_as_such():
    rows = [(day, f"0.0{n}") for day in weekdays(10) for n in range(1, 4)]
    assert "one row a day" in str(refusal(csv_of(rows)))


def test_days_above_50_percent_must_be_signed_for():
    found = read(simple(["60%", "-55%", "1%", "2%"]))
    assert "2 days gain or lose more than 50 %" in question(found, Topic.LARGE_RETURNS).sentence


def test_rows_that_are_no_days_must_be_signed_for():
    weeks = [MONDAY + timedelta(days=7 * n) for n in range(60)]
    rows = [(day, MOVES[n % 30]) for n, day in enumerate(weeks)]
    assert "53 rows a year" in question(read(csv_of(rows)), Topic.ROWS_PER_YEAR).sentence


# --- the real ones ----------------------------------------------------------------------------


def test_the_nine_real_records_load_right_in_both_orders():
    files = seed_files()
    assert len(files) == 9
    for path in files:
        with path.open(newline="") as opened:
            rows = sorted((row["date"], float(row["return"])) for row in csv.DictReader(opened))
        lines = path.read_text().splitlines()
        turned = "\n".join([lines[0], *reversed(lines[1:])]).encode()
        found = read(path.read_bytes())
        assert [(day.on.isoformat(), float(day.ratio)) for day in found.days] == rows
        assert read(turned).days == found.days
        asked = question(found, Topic.UNIT)
        assert (asked.suggested, asked.confidence) == ("FRACTION", Confidence.CERTAIN)
        # The seed's loader made the margin of the returns, and compounded equity as the rows stood.
        assert found.review.margin_is_derived
        newest_first = path.stem != "SPX_0DE_Opt"
        assert len(rows) == (2449 if newest_first else 936)
        timing = Timing.REVERSED_OPEN if newest_first else Timing.OPEN
        assert found.review.equity_timing is timing
        assert found.review.gaps[0].missing <= 5


# --- whatever comes ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(str.encode),
        st.lists(
            st.tuples(
                st.text("0123456789-/.T:, ", max_size=12),
                st.text("0123456789-.,%()eE ", max_size=8),
            ),
            max_size=8,
        ).map(csv_of),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["date", "return", "rows", "2024-01-02"]), inner, max_size=4
                )
            ),
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_bytes_are_read_or_refused_in_words(content):
    with suppress(BadRecord):
        found = read(content)
        assert len(found.days) >= 2
        json.dumps(found.review.model_dump(mode="json"), allow_nan=False)


#: Numbers and days at the edges of what they are kept in.
ODD = [
    "0",
    "1",
    "-1",
    "0.01",
    "-0.02",
    "1e-999",
    "1e999",
    "-0." + "9" * 40,
    "9" * 5000,
    "1e15",
    "1e-15",
    "NaN",
    "-inf",
    "",
    "%",
    "()",
    "1%",
    "−1",
    "1,5",
    "1.234.567,8",
    "٣",
    "²",
    "1e5%",
]


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(*[st.sampled_from(ODD)] * 3), min_size=2, max_size=6),
    st.booleans(),
    st.sampled_from(["return,equity,margin", "equity,margin,pnl", "return,pnl,margin"]),
)
def test_figures_at_every_edge_are_read_or_refused_in_words(figures, in_json, names):
    rows = [(str(day), *each) for day, each in zip(weekdays(len(figures)), figures, strict=True)]
    header = ["date", *names.split(",")]
    if in_json:
        plain = [dict(zip(header, row, strict=True)) for row in rows]
        text = json.dumps(plain)
        for odd in ("1e-999", "1e999", "9" * 5000, "1e15"):
            text = text.replace(f'"{odd}"', odd)
        content = text.encode()
    else:
        content = csv_of(rows, header=";".join(header), sep=";")
    with suppress(BadRecord):
        plain = read(content).review.model_dump(mode="json")
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@pytest.mark.parametrize("odd", ["1e999999", "9" * 5000, "-5", "1e-9", "NaN"])
def test_days_that_are_odd_numbers_are_refused_in_words(odd):
    rows = f'[{{"date": {odd}, "return": 0.1}}, {{"date": 20240102, "return": 0.2}}]'
    assert refusal(rows.encode()).code == "RECORD_DATE"


@given(
    st.lists(st.integers(-4900, 4900), min_size=3, max_size=40).filter(lambda m: len({*m}) > 1),
    st.sampled_from([(",", "."), (";", ","), ("\t", ","), ("|", ".")]),
    st.booleans(),
)
def test_every_dialect_reads_back_what_was_written(moves, dialect, newest_first):
    sep, mark = dialect
    rows = [
        (day, f"{Decimal(move) / 100:.2f}%".replace(".", mark))
        for day, move in zip(weekdays(len(moves)), moves, strict=True)
    ]
    found = read(csv_of(rows[::-1] if newest_first else rows, sep=sep))
    assert [day.ratio for day in found.days] == [Decimal(move) / 10000 for move in moves]
