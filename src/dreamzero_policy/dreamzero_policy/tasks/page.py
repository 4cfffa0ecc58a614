"""What printed sheet and daily log share: one HTML file that needs nothing beside it."""

from __future__ import annotations

import html
import os
from pathlib import Path

_STYLE = """
@page { size: A4 portrait; margin: 11mm 12mm 12mm }
* { box-sizing: border-box }
html { -webkit-print-color-adjust: exact; print-color-adjust: exact }
body { font: 12pt/1.3 "Helvetica Neue", Arial, "Liberation Sans", "DejaVu Sans", sans-serif;
       color: #000; margin: 0 auto; max-width: 186mm }
h1 { font-size: 25pt; line-height: 1.1; margin: 0 }
h2 { font-size: 17pt; margin: 0 0 2mm; break-after: avoid }
header { display: flex; justify-content: space-between; align-items: flex-end; gap: 8mm;
         border-bottom: 1.2mm solid #000; padding-bottom: 2.5mm; margin-bottom: 3mm }
header .when { text-align: right; font-size: 13pt; white-space: nowrap }
section + section { break-before: page; padding-top: .1mm }
@media screen { body { padding: 12mm 0 } section + section { margin-top: 18mm } }
"""


def page(title: str, style: str, body: str) -> str:
    """A whole HTML page.

    Args:
        title: of the window, and of the file that a browser saves.
        style: CSS beside what every page has.
        body: HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def write(path: Path, text: str) -> None:
    """Writes a file in one step: a reader sees the old one or the new one.

    Raises:
        ValueError: it cannot be written there.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}") from error
