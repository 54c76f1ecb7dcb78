"""Writes the tables of docs/performance.md and docs/journal.md from benches/results.

In: the results of one run. Out: tables in Markdown between `<!-- NAME -->` and `<!-- end of NAME -->` on these pages. A
benchmark without results has no row.
"""

import json
import re

from services import ROOT

RESULTS = ROOT / "benches" / "results"
CASES = ("ignored", "unauthorised", "denied", "duplicate", "allowed")
MB = 1_000_000


def results(name: str):
    """Returns what a benchmark wrote; `None` if it wrote nothing."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def markdown(head: list, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines)


def _row(measure: str, figure: str, peer: str = "", ratio: float | None = None, target: str = "",
         met: bool | None = None) -> dict:
    return {"measure": measure, "figure": figure, "peer": peer, "ratio": None if ratio is None else round(ratio, 3),
            "target": target, "met": met}


def _start() -> list:
    found = {row["function"]: row["least_ms"] for row in results("startup") or []}
    if not found:
        return []
    ours, many = found["sharehook as it ships"], found["sharehook, 1 map, 1 000 policies"]
    bare, python = found["a bare function with lambda_runtime"], found.get("a Python function")
    rows = [_row("start, sample configuration", f"{ours:.1f} ms", target="≤ 5 ms", met=ours <= 5),
            _row("start, 1,000 policies", f"{many:.1f} ms", target="≤ 8 ms", met=many <= 8),
            _row("start beside a bare runtime", f"{ours:.1f} ms", f"{bare:.1f} ms", ours / bare)]
    if python:
        rows.append(_row("start, how much faster than a Python function", f"{ours:.1f} ms", f"{python:.1f} ms",
                         python / ours, "≥ 20", python / ours >= 20))
    return rows


def _decisions() -> list:
    found = {row["policies"]: row["decisions_per_second"] for row in results("decisions") or []
             if row["accounts_in_group"] == 10}
    if not found:
        return []
    few, many = found[13], found[1_000]
    ratio = many["one_account"] / few["one_account"]
    return [_row("decisions/s, 1,000 policies beside 13", f"{many['one_account']:,.0f}", f"{few['one_account']:,.0f}",
                 ratio, "≥ 0.8", ratio >= 0.8),
            _row("decisions/s, 10 accounts, 1,000 policies", f"{many['ten_accounts']:,.0f}", target="≥ 3,000",
                 met=many["ten_accounts"] >= 3_000)]


def _rates() -> dict:
    return {(row["case"], row["service"], row["connections"]): row for row in results("warm") or []}


def _warm() -> list:
    rates, rows = _rates(), []
    for case, service, connections in rates:
        ours, its = rates[case, "sharehook", connections]["per_second"], rates[case, service, connections]["per_second"]
        if case == "ignored" and service == "webhook":
            rows.append(_row(f"ignored/s beside webhook, {connections} connections", f"{ours:,.0f}", f"{its:,.0f}",
                             ours / its, "≥ 1.3", ours / its >= 1.3))
        if service == "function" and connections == 16 and case != "unauthorised":
            rows.append(_row(f"{case}/s beside the Python function, 16 connections", f"{ours:,.0f}", f"{its:,.0f}",
                             ours / its))
    return rows


def _disk() -> list:
    return [_row(f"denied and recorded/s beside the disk alone, {row['connections']} connections",
                 f"{row['denied_per_second']:,.0f}", f"{row['disk_per_second']:,.0f}", row["ratio"], "≥ 0.8",
                 row["ratio"] >= 0.8) for row in results("disk") or []]


def _calls() -> list:
    rows, shared, pacing, batching = [], results("shared"), results("pacing"), results("batching")
    if shared:
        part, over = shared["refused"] / shared["calls"], shared["seconds"] / shared["floor_seconds"]
        name = f"{shared['processes']} processes with one cloud account"
        rows += [_row(f"{name}: calls refused", f"{shared['refused']} of {shared['calls']}", ratio=part,
                      target="≤ 0.1", met=part <= 0.1),
                 _row(f"{name}: time beside the floor", f"{shared['seconds']:.1f} s",
                      f"{shared['floor_seconds']:.1f} s", over, "≤ 1.15", over <= 1.15)]
    if pacing:
        over = pacing["seconds"] / pacing["floor_seconds"]
        rows.append(_row("one process: time beside the floor", f"{pacing['seconds']:.2f} s",
                         f"{pacing['floor_seconds']:.2f} s", over, "≤ 1.05", over <= 1.05))
    if batching:
        rows.append(_row("sharing calls for 1,000 tickets", f"{batching['calls']:,}",
                         f"{batching['naive_calls']:,} (naive loop)", batching["calls"] / batching["naive_calls"],
                         "≤ 110 calls", batching["calls"] <= 110))
    return rows


def _memory() -> list:
    rows, memory, size = [], results("memory"), results("size")
    if memory:
        def held(when: str) -> str:
            return f"{memory[when + '_mb']:.1f} MB, {memory[when + '_own_mb']:.1f} its own"

        rows += [_row("resident at start", held("start"), f"{memory['function_start_mb']:.0f} MB (Python)",
                      memory["start_mb"] / memory["function_start_mb"], "≤ 12 MB", memory["start_mb"] <= 12),
                 _row(f"resident after {memory['requests']:,} requests", held("after"), target="≤ 25 MB",
                      met=memory["after_mb"] <= 25),
                 _row(f"resident with {memory['in_flight']} in flight", held("in_flight"))]
    if size:
        rows += [_row("deployed binary", f"{size['binary'] / MB:.1f} MB"),
                 _row("zip of the package", f"{size['zip'] / MB:.2f} MB", target="≤ 6 MB", met=size["zip"] <= 6 * MB)]
    return rows


def summary() -> list:
    """Returns each figure with its target and the peer's figure, as in benches/results/summary.json."""
    return [*_start(), *_decisions(), *_warm(), *_disk(), *_calls(), *_memory()]


def summary_table() -> str:
    met = {None: "", True: "yes", False: "**no**"}
    return markdown(["measure", "figure", "peer", "ratio", "target", "met"],
                    [[row["measure"], row["figure"], row["peer"], "" if row["ratio"] is None else f"{row['ratio']:.2f}",
                      row["target"], met[row["met"]]] for row in summary()])


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def warm_table() -> str:
    rates, rows = _rates(), []
    if not rates:
        return "Not measured yet."
    for case in CASES:
        for connections in sorted({key[2] for key in rates}):
            cells = []
            for service in ("sharehook", "function", "webhook"):
                row = rates.get((case, service, connections))
                cells.append(f"{row['per_second']:,.0f} ({_ms(row['p50_ms'])}, {_ms(row['p99_ms'])})" if row else "")
            rows.append([case, connections, *cells])
    picture = "![Requests in a second by the number of connections](requests-by-connections.svg)"
    return markdown(["case", "connections", "sharehook", "Python function", "webhook"], rows) + f"\n\n{picture}"


def decisions_table() -> str:
    rows = []
    for row in results("decisions") or []:
        ours, cedar = row["decisions_per_second"], row["cedar_per_second"]
        rates = [f"{rate:,.0f}" for rate in (ours["one_account"], ours["ten_accounts"], cedar["one_account"],
                                            cedar["ten_accounts"])]
        rows.append([f"{row['policies']:,}", f"{row['accounts_in_group']:,}", f"{row['load_seconds'] * 1000:,.0f} ms", *rates])
    return markdown(["policies", "accounts in the group", "loaded in", "1 account", "10 accounts",
                     "Cedar alone, 1 account", "Cedar alone, 10 accounts"], rows)


def start_table() -> str:
    return markdown(["function", "least", "median"],
                    [[row["function"], f"{row['least_ms']:.1f} ms", f"{row['median_ms']:.1f} ms"]
                     for row in results("startup") or []])


def instructions_table() -> str:
    before, now = results("instructions-before") or {}, results("instructions") or {}
    rows = []
    for step, count in now.items():
        then = before.get(step)
        rows.append([step, f"{then:,.0f}" if then else "", f"{count:,.0f}", f"{count / then:.2f}" if then else ""])
    return markdown(["step", "before", "now", "ratio"], rows)


def size_table() -> str:
    size = results("size")
    if not size:
        return "Not measured yet."
    large = sorted(size["sections"].items(), key=lambda section: -section[1])[:8]
    rows = [[f"`{name}`", f"{octets:,}"] for name, octets in large]
    rows += [[f"**{name}**", f"{size[name]:,}"] for name in ("binary", "zip")]
    return markdown(["section", "bytes"], rows)


def _time(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def journal_table() -> str:
    found = results("journal") or []
    rows = [[what, *(_time(row["seconds"][what]) for row in found)] for what in (found[0]["seconds"] if found else [])]
    return markdown(["", *(f"{row['requests']:,} requests" for row in found)], rows)


TABLES = {"performance": {"summary": summary_table, "warm": warm_table, "decisions": decisions_table,
                          "start": start_table, "instructions": instructions_table, "size": size_table},
          "journal": {"journal": journal_table}}


def write_pages() -> None:
    """Replaces each marked table in docs/."""
    for page, tables in TABLES.items():
        file = ROOT / "docs" / f"{page}.md"
        text = file.read_text(encoding="utf-8")
        for name, table in tables.items():
            marked = re.compile(f"(<!-- {name} -->\n\n).*?(\n\n<!-- end of {name} -->)", re.S)
            text, count = marked.subn(lambda found, content=table(): found[1] + content + found[2], text)
            if count != 1:
                raise SystemExit(f"{file} has {count} marked places for the table {name}; it needs one")
        file.write_text(text, encoding="utf-8")
