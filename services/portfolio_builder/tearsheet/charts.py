"""Charts as SVG to be put into the page: lines and areas over dates, no words but numbers. Pure."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import dates as mdates
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

INK, FAINT, GRID = "#333a44", "#6d7682", "#e4e8ed"
#: The salt makes ids the same in each run; text stays text, in the font of the page.
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "mathematricks",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "path.simplify_threshold": 0.4,
    "axes.edgecolor": "#b4bcc6",
    "axes.labelcolor": FAINT,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
}
_PERCENT = FuncFormatter(lambda value, _: f"{value * 100:.6g}%".replace("-", "−"))
#: Inches; the page scales them.
WIDE, HALF, HEIGHT = 11.0, 5.6, 2.5


@dataclass(frozen=True)
class Line:
    """One series over the dates of a chart; None is a gap."""

    values: Sequence[float | None]
    color: str
    width: float = 1.2
    dash: str = "-"


def lines(
    name: str,
    dates: Sequence[date],
    series: Sequence[Line],
    *,
    width: float = HALF,
    height: float = HEIGHT,
    kind: str = "number",
) -> str:
    """A chart of lines, the first drawn on top.

    Args:
        name: for the ids in it, unique on a page.
        dates: of all series.
        series: each as long as `dates`.
        width: inches.
        height: inches.
        kind: of the vertical axis: `number`, `percent` or `log` (multiples of the start).
    """
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(width, height)
        days = _days(dates)
        for order, each in enumerate(reversed(series)):
            values = np.array([np.nan if one is None else one for one in each.values])
            axes.plot(
                days,
                np.maximum(values, 1e-3) if kind == "log" else values,
                color=each.color,
                linewidth=each.width,
                linestyle=each.dash,
                zorder=3 + order,
            )
        _date_axis(axes, dates)
        if kind == "log":
            _log_axis(axes, series)
        elif kind == "percent":
            axes.yaxis.set_major_formatter(_PERCENT)
        return _svg(figure, name)


def drawdowns(name: str, dates: Sequence[date], series: Sequence[Line], *, width: float) -> str:
    """Losses from the peak, as areas that hang from 0."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(width, HEIGHT)
        days = _days(dates)
        for order, each in enumerate(reversed(series)):
            values = -np.array(each.values, dtype=np.float64)
            if order == len(series) - 1:
                axes.fill_between(days, values, 0, color=each.color, alpha=0.18, linewidth=0)
            axes.plot(days, values, color=each.color, linewidth=each.width, linestyle=each.dash)
        _date_axis(axes, dates)
        axes.set_ylim(top=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        return _svg(figure, name)


def stacked(
    name: str, dates: Sequence[date], layers: Sequence[Line], *, width: float = WIDE
) -> str:
    """Weights that add up, each held until the next date."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(width, HEIGHT)
        values = [np.array(each.values, dtype=np.float64) for each in layers]
        axes.stackplot(
            _days(dates), *values, colors=[each.color for each in layers], step="post", linewidth=0
        )
        _date_axis(axes, dates)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_PERCENT)
        return _svg(figure, name)


def frontier(name: str, points: Sequence[tuple[float, float]], chosen: tuple[float, float]) -> str:
    """Growth against Sharpe ratio, and the point that was chosen."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(HALF, HEIGHT)
        across, up = zip(*sorted(points), strict=True)
        axes.plot(across, up, color="#7d97b3", marker="o", markersize=3.5, linewidth=1.2)
        axes.plot(*chosen, color="#b3402a", marker="D", markersize=6)
        axes.set_xlabel("Sharpe ratio")
        axes.set_ylabel("growth a year")
        axes.yaxis.set_major_formatter(_PERCENT)
        return _svg(figure, name)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _days(dates: Sequence[date]) -> list[float]:
    return [float(each.toordinal()) - date(1970, 1, 1).toordinal() for each in dates]


def _date_axis(axes: Axes, dates: Sequence[date]) -> None:
    years = dates[-1].year - dates[0].year
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=8))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y" if years > 3 else "%Y-%m"))
    axes.margins(x=0.01)


def _log_axis(axes: Axes, series: Sequence[Line]) -> None:
    axes.set_yscale("log")
    found = [one for each in series for one in each.values if one]
    low, high = min([*found, 1.0]), max([*found, 1.0])
    steps = [base * 10.0**power for power in range(-3, 10) for base in (1, 1.5, 2, 3, 5, 7)]
    ticks = [each for each in steps if low * 0.95 <= each <= high * 1.05]
    if len(ticks) < 3:
        ticks = [float(each) for each in MaxNLocator(5).tick_values(low, high)]
    while len(ticks) > 7:
        ticks = ticks[::2]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.yaxis.set_minor_locator(NullLocator())


def _svg(figure: Figure, name: str) -> str:
    """The picture alone, as wide as where it is put; ids are of this chart only."""
    out = io.StringIO()
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'(?:\sxmlns(?::\w+)?="[^"]*"|\sversion="[^"]*")', "", drawing)
    drawing = re.sub(r'<svg\b([^>]*?)\swidth="[^"]*"', r"<svg\1", drawing, count=1)
    drawing = re.sub(r'<svg\b([^>]*?)\sheight="[^"]*"', r"<svg\1", drawing, count=1)
    drawing = drawing.replace('id="', f'id="{name}-').replace('href="#', f'href="#{name}-')
    drawing = drawing.replace("url(#", f"url(#{name}-")
    drawing = re.sub(r"font-family: [^;\"]*;? ?", "", drawing)
    drawing = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"\s*\n\s*", " ", drawing)
    return drawing.replace("<svg", '<svg aria-hidden="true"', 1).strip()
