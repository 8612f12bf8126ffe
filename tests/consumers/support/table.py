"""Writes the table of results. Plain text in, Markdown out. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from .case import Row

COLUMNS = (
    ("program", "program"), ("version", "version"), ("what was done", "did"), ("TLS 1.2", "tls12"),
    ("TLS 1.3", "tls13"), ("signature key: auto / no", "always_authenticate"), ("dialog", "dialog"),
    ("`C_Login`", "logins"), ("VERIFY", "verifies"), ("signatures", "signatures"),
    ("result", "result"),
)

LEGEND = """\
`signature key: auto / no`: does the program sign with the signature key, twice in one run where it can, with
`always_authenticate = "auto"` (the default) and with `"no"`. `dialog`: the same with `pin_entry = "dialog"`, without
a PIN from the program. `C_Login`: how often the program called it, from the
module's log; what was refused is named. `VERIFY` and `signatures`: authentication key + signature key, from the card's own
counters; the module sends a VERIFY for each login and again for each signature, since it leaves the card closed
between two calls. After each line the card's tries are full and nothing is left verified."""


def markdown(rows: Sequence[Row]) -> str:
    """The whole table, with the legend."""
    lines = [
        "| " + " | ".join(title for title, _ in COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
    ]
    for row in rows:
        cells = [_cell(getattr(row, field)) for _, field in COLUMNS]
        if row.reason:
            cells[-1] += ": " + _cell(row.reason.strip().splitlines()[0])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + LEGEND + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
