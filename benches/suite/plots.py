"""Draws the cost curves in docs/ from benches/results.

In: the results of one run. Out: SVG files with logarithmic axes; none for a benchmark without results.
"""

import math

from services import ROOT
from table import CASES, results

COLOURS = ("#1b6ca8", "#c0392b", "#27ae60", "#8e44ad", "#e67e22", "#16a085", "#2c3e50", "#d81b60")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 70, 500, 20, 350


def _decades(values: list) -> range:
    """Returns the powers of ten around the values."""
    low = math.floor(math.log10(min(values)))
    return range(low, max(math.ceil(math.log10(max(values))), low + 1) + 1)


def _seconds(power: int) -> str:
    unit = "s" if power >= 0 else "ms" if power >= -3 else "µs"
    return f"{10 ** (power % 3 if power < 0 else power):,} {unit}"


def _count(power: int) -> str:
    return f"{10 ** power:,}"


def draw(name: str, across: str, lines: dict, label=_count) -> None:
    """Writes docs/NAME.svg. A line is a list of (x, y). `across`: what x counts. `label`: names a power of ten of y."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return
    powers, marks = _decades([y for _, y in points]), sorted({x for x, _ in points})
    spread = math.log10(marks[-1] / marks[0]) or 1

    def place(x, y):
        part = (math.log10(y) - powers[0]) / (powers[-1] - powers[0])
        return LEFT + 30 + math.log10(x / marks[0]) / spread * (RIGHT - LEFT - 60), BOTTOM - part * (BOTTOM - TOP)

    svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>']
    for power in powers:
        _, down = place(marks[0], 10.0 ** power)
        svg.append(f'<path d="M{LEFT} {down:.0f}H{RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{down + 4:.0f}" text-anchor="end">{label(power)}</text>')
    for mark in marks:
        at, _ = place(mark, 10.0 ** powers[0])
        svg.append(f'<text x="{at:.0f}" y="{BOTTOM + 20}" text-anchor="middle">{mark:,}</text>')
    svg.append(f'<text x="{(LEFT + RIGHT) // 2}" y="{BOTTOM + 40}" text-anchor="middle">{across}</text>')
    for number, (title, line) in enumerate(lines.items()):
        colour, down = COLOURS[number % len(COLOURS)], 40 + 22 * number
        corners = " ".join(f"{x:.0f},{y:.0f}" for x, y in (place(*point) for point in line))
        svg.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="2"/>'
                   f'<path d="M530 {down}h24" stroke="{colour}" stroke-width="2"/><text x="562" y="{down + 4}">{title}</text>')
    (ROOT / "docs" / f"{name}.svg").write_text("\n".join([*svg, "</svg>", ""]), encoding="utf-8")


def _decision_lines(along: str, other: str, fixed: int) -> dict:
    lines: dict = {}
    for row in results("decisions") or []:
        if row[other] == fixed:
            for name, rates in (("sharehook", "decisions_per_second"), ("Cedar alone", "cedar_per_second")):
                for accounts, rate in row[rates].items():
                    lines.setdefault(f"{name}, {accounts.replace('_', ' ')}", []).append((row[along], rate))
    return lines


def draw_all() -> None:
    """Draws every picture for which there are results."""
    draw("decisions-by-policies", "policies; decisions in a second",
         _decision_lines("policies", "accounts_in_group", 10))
    draw("decisions-by-accounts", "accounts in the group; decisions in a second",
         _decision_lines("accounts_in_group", "policies", 13))
    warm: dict = {}
    for case in CASES:
        for row in results("warm") or []:
            if row["case"] == case and row["service"] == "sharehook":
                warm.setdefault(case, []).append((row["connections"], row["per_second"]))
    draw("requests-by-connections", "connections; requests in a second", warm)
    journal: dict = {}
    for row in results("journal") or []:
        for what, seconds in row["seconds"].items():
            journal.setdefault(what, []).append((row["requests"], seconds))
    draw("journal-cost", "finished requests", journal, _seconds)
