"""Small multiples as one SVG file, readable on light and dark pages, without a library.

A panel has its own axis of values, from zero, with its unit in the title; time in minutes runs along all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchmarks.soak.samples import Sample

COLUMNS = 2
PANEL_WIDTH, PANEL_HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 18, 52, 38
HEAD = 58
TICKS = 4
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

# Colours that people with the usual colour blindness tell apart; each line also has a dash of its own.
_STYLE = """
  svg { --page: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; --shade: #f0f2f5;
        --c0: #0a5fb4; --c1: #b34700; --c2: #00735c; --c3: #8a3ea8; --c4: #59636e; background: var(--page); }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --ink: #e6edf3; --soft: #9aa5b1; --grid: #2c333c; --shade: #171d25;
          --c0: #6cb4ff; --c1: #ffa657; --c2: #4fd1a5; --c3: #d7a6f5; --c4: #9aa5b1; }
  }
  text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: var(--soft); }
  .title { font-size: 16px; font-weight: 600; fill: var(--ink); }
  .name { font-size: 13px; font-weight: 600; fill: var(--ink); }
  .key { fill: var(--ink); }
  .page { fill: var(--page); }
  .warm { fill: var(--shade); }
  .grid { stroke: var(--grid); stroke-width: 1; }
  .axis { stroke: var(--soft); stroke-width: 1; }
  .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
  .l0 { stroke: var(--c0); }
  .l1 { stroke: var(--c1); stroke-dasharray: 7 3; }
  .l2 { stroke: var(--c2); stroke-dasharray: 2 3; }
  .l3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
  .l4 { stroke: var(--c4); stroke-dasharray: 1 4; }
"""


@dataclass(frozen=True)
class Panel:
    """One of the multiples: a title with the unit, and up to five series by their labels."""

    title: str
    series: dict[str, str]


def panels(processes: Sequence[str]) -> list[Panel]:
    """Return the panels of a soak test, for the processes that were watched."""
    ours = [name for name in processes if name not in ("clickhouse", "broker")][:5]
    servers = {"ClickHouse": "clickhouse", "broker": "broker"}
    labels = {name.replace("_", " "): name for name in ours}

    def each(kind: str, of: dict[str, str]) -> dict[str, str]:
        return {label: f"{name}_{kind}" for label, name in of.items()}

    tables = {"errors": "errors", "per minute": "errors_per_minute", "per hour": "errors_per_hour", "issues": "issues"}
    return [
        Panel("Resident memory, worker and stages (MB)", each("memory_mb", labels)),
        Panel("Resident memory, servers (MB)", each("memory_mb", servers)),
        Panel("Open file descriptors, worker and stages", each("descriptors", labels)),
        Panel("Threads, worker and stages", each("threads", labels)),
        Panel("Active parts by table", {label: f"parts_active_{name}" for label, name in tables.items()}),
        Panel("Consumer lag (offsets)", {"errors": "lag_errors", "counts": "lag_counts"}),
        Panel("Inserts into errors (seconds)", {"p50": "insert_p50_s", "p99": "insert_p99_s"}),
        Panel("CPU (cores)", each("cores", {"worker": "worker", "stage 1": "stage_1", **servers, "others": "others"})),
    ]


def draw(title: str, note: str, shown: Sequence[Panel], samples: Sequence[Sample], warm_up_s: float) -> str:
    """Return the SVG document.

    Args:
        title: what was run.
        note: what it ran on.
        shown: the panels.
        samples: at least one.
        warm_up_s: the part at the beginning that is shaded.
    """
    rows = math.ceil(len(shown) / COLUMNS)
    width, height = COLUMNS * PANEL_WIDTH, HEAD + rows * PANEL_HEIGHT
    drawn = [
        f'<g transform="translate({number % COLUMNS * PANEL_WIDTH} {HEAD + number // COLUMNS * PANEL_HEIGHT})">'
        f"{_panel(panel, samples, warm_up_s)}</g>"
        for number, panel in enumerate(shown)
    ]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title note">',
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{width}" height="{height}"/>',
            f'<text id="title" class="title" x="16" y="26">{escape(title)}</text>',
            f'<text id="note" x="16" y="45">{escape(note)}</text>',
            *drawn,
            "</svg>\n",
        ]
    )


def ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to at least ``highest``, about :data:`TICKS` steps."""
    if not highest > 0:
        return [0.0, 1.0]
    wanted = highest / TICKS
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(power * one for one in STEPS if power * one >= wanted * (1 - 1e-9))
    return [number * step for number in range(math.ceil(highest / step * (1 - 1e-9)) + 1)]


def _panel(panel: Panel, samples: Sequence[Sample], warm_up_s: float) -> str:
    minutes = [one["seconds"] / 60 for one in samples]
    values = {label: [one.get(name, math.nan) for one in samples] for label, name in panel.series.items()}
    finite = [value for line in values.values() for value in line if not math.isnan(value)]
    across, up = ticks(minutes[-1]), ticks(max(finite, default=0.0))
    wide, high = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM
    bottom = TOP + high

    def x(minute: float) -> float:
        return LEFT + wide * minute / max(minutes[-1], 1e-9)

    def y(value: float) -> float:
        return bottom - high * value / up[-1]

    parts = [
        f'<text class="name" x="16" y="18">{escape(panel.title)}</text>',
        f'<rect class="warm" x="{LEFT}" y="{TOP}" width="{x(warm_up_s / 60) - LEFT:.1f}" height="{high}"/>',
    ]
    for tick in up:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + wide}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{_short(tick)}</text>')
    parts.append(f'<line class="axis" x1="{LEFT}" x2="{LEFT + wide}" y1="{bottom}" y2="{bottom}"/>')
    for tick in (tick for tick in across if tick <= minutes[-1] * 1.001):
        at = f"{x(tick):.1f}"
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 17}" text-anchor="middle">{_short(tick)}</text>')
    parts.append(f'<text x="{LEFT + wide / 2:.1f}" y="{bottom + 31}" text-anchor="middle">minutes</text>')
    # Labels stand apart by the width of their text: some 6.7 pixels a letter.
    place = float(16)
    for number, (label, line) in enumerate(values.items()):
        parts.append(f'<line class="line l{number}" x1="{place:.0f}" x2="{place + 24:.0f}" y1="36" y2="36"/>')
        parts.append(f'<text class="key" x="{place + 29:.0f}" y="40">{escape(label)}</text>')
        place += 29 + 6.7 * len(label) + 14
        points = [(x(minute), y(value)) for minute, value in zip(minutes, line, strict=True)]
        parts.append(f'<path class="line l{number}" d="{_path(points)}"/>')
    return "\n".join(parts)


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through the points; where a value is missing it is broken, and a point between two is a dot."""
    drawn, pen_up = [], True
    for across, up in points:
        if math.isnan(up):
            pen_up = True
            continue
        drawn.append(f"M{across:.1f} {up:.1f}h0" if pen_up else f"L{across:.1f} {up:.1f}")
        pen_up = False
    return "".join(drawn)


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
