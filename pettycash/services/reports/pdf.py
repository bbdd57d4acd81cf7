"""A sheet as a PDF, to be printed and signed: A4 across, titles on every page, DejaVu Sans.

Figures stand right and whole; texts share what is left and are broken over lines. A column without
a single entry is left out. The page is the accessible form, not this one.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from pettycash.runtime import errors
from pettycash.services.reports.sheets import Cell, Figure, Line, Sheet

for _noisy in ("fpdf", "fontTools"):  # they would log words of what is printed
    logging.getLogger(_noisy).setLevel(logging.ERROR)

FONTS = Path(__file__).parent / "fonts"
"""Vendored from DejaVu (`VERSIONS`, `LICENSE`); `SHA256SUMS` lists their digests."""
FAMILY = "DejaVu"
ROWS_MAX = 5000
SIZE, TITLE_SIZE = 7, 13
SIZES = (7.0, 6.0, 5.0, 4.0)
"""Of the table, the largest at which its figures are whole."""
LINE, PADDING = 3.6, 1.2
MARGIN = 10
TEXT_MIN = 14
SHADE, RULE = 235, 200


class PrintTooLong(errors.RuleViolation):
    """A PDF has at most 5,000 rows; narrow the period, or take CSV or XLSX."""

    code = "report.too_long_to_print"


class _Paper(FPDF):
    """Pages with their number, and the title of what they are of."""

    title_of = ""

    def footer(self) -> None:
        self.set_y(-MARGIN + 2)
        self.set_font(FAMILY, "", SIZE - 1)
        self.cell(0, LINE, self.title_of)
        self.set_x(MARGIN)
        self.cell(0, LINE, f"Page {self.page_no()} of {{nb}}", align="R")


def write(sheet: Sheet, out: IO[bytes]) -> None:
    """Write a sheet as a PDF.

    Raises:
        PrintTooLong: it has more than ROWS_MAX rows.
    """
    rows, foot = _collected(sheet.rows)
    paper = _Paper("L", "mm", "A4")
    paper.title_of = sheet.title
    paper.set_title(sheet.title)
    paper.set_creation_date(sheet.made_at)
    paper.set_margins(MARGIN, MARGIN, MARGIN)
    paper.set_auto_page_break(False)
    paper.add_font(FAMILY, "", FONTS / "DejaVuSans.ttf")
    paper.add_font(FAMILY, "B", FONTS / "DejaVuSans-Bold.ttf")
    paper.add_page()
    _head(paper, sheet.head)
    _Table(paper, sheet.titles, rows).write()
    _under(paper, foot)
    out.write(paper.output())


def _collected(rows: Iterator[Line]) -> tuple[list[Line], list[Sequence[Cell]]]:
    """The rows of the table, and what stands below it."""
    found: list[Line] = []
    written = 0
    for cells, is_bold in rows:
        if not cells:
            break
        found.append((cells, is_bold))
        written += not is_bold
        if written > ROWS_MAX:
            raise PrintTooLong
    return found, [cells for cells, _ in rows]


def _head(paper: FPDF, head: Sequence[Sequence[str]]) -> None:
    [title], *facts = head
    paper.set_font(FAMILY, "B", TITLE_SIZE)
    paper.cell(0, 8, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    _pairs(paper, facts)
    paper.ln(2)


def _pairs(paper: FPDF, facts: Sequence[Sequence[Cell]]) -> None:
    for name, words in facts:
        paper.set_font(FAMILY, "B", SIZE)
        paper.cell(30, LINE + 0.4, _text(name))
        paper.set_font(FAMILY, "", SIZE)
        paper.cell(0, LINE + 0.4, _text(words), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _under(paper: FPDF, foot: Sequence[Sequence[Cell]]) -> None:
    if paper.get_y() + (LINE + 1) * len(foot) > paper.h - MARGIN:
        paper.add_page()
    paper.ln(2)
    _pairs(paper, foot)


def _text(cell: Cell) -> str:
    return cell.grouped if isinstance(cell, Figure) else cell


class _Table:
    """Columns with their widths, and rows put one under the other."""

    def __init__(self, paper: FPDF, titles: Sequence[str], rows: Sequence[Line]) -> None:
        places = [
            place
            for place in range(len(titles))
            if not rows or any(cells[place:] and cells[place] != "" for cells, _ in rows)
        ]
        self.paper = paper
        self.size = SIZES[0]
        self.known: dict[tuple[str, str], float] = {}
        self.titles = [titles[place] for place in places]
        self.rows = [
            ([cells[place] if cells[place:] else "" for place in places], bold)
            for cells, bold in rows
        ]
        self.right = [
            any(isinstance(cells[place], Figure) for cells, _ in self.rows)
            for place in range(len(places))
        ]
        self.widths = self._widths()

    def width(self, text: str, style: str) -> float:
        """How wide a text is."""
        if (text, style) not in self.known:
            self.paper.set_font(FAMILY, style, self.size)
            self.known[text, style] = self.paper.get_string_width(text)
        return self.known[text, style]

    def write(self) -> None:
        """Titles and rows, with the titles again on every page."""
        self._put(self.titles, "B", is_head=True)
        for cells, is_bold in self.rows:
            self._put(cells, "B" if is_bold else "", is_head=False)

    def _widths(self) -> list[float]:
        """Of figures what they need; of texts too, or an equal part of what is left for those that
        need more. Where there is no room for that, all of it is written smaller."""
        for size in SIZES:
            self.size = size
            self.known.clear()
            needed = [self._needed(place) for place in range(len(self.titles))]
            texts = sorted(
                (each, place) for place, each in enumerate(needed) if not self.right[place]
            )
            left = self.paper.epw - (sum(needed) - sum(each for each, _ in texts))
            if left >= TEXT_MIN * len(texts) or left >= sum(each for each, _ in texts):
                break
        for taken, (each, place) in enumerate(texts):
            needed[place] = max(min(each, left / (len(texts) - taken)), PADDING * 4)
            left -= needed[place]
        return needed

    def _needed(self, place: int) -> float:
        """The width of the longest text of a column."""
        texts = {(_text(cells[place]), "B" if bold else "") for cells, bold in self.rows}
        longest = max(self.width(*each) for each in (*texts, (self.titles[place], "B")))
        return longest + 2 * PADDING

    def _put(self, cells: Sequence[Cell], style: str, *, is_head: bool) -> None:
        paper = self.paper
        texts = [
            self._broken(_text(each), room - 2 * PADDING + 0.1, style)
            for each, room in zip(cells, self.widths, strict=True)
        ]
        height = LINE * max(map(len, texts), default=1) + 0.8
        if paper.get_y() + height > paper.h - MARGIN - LINE:
            paper.add_page()
            if not is_head:
                self._put(self.titles, "B", is_head=True)
        top, left = paper.get_y(), float(MARGIN)
        if is_head:
            paper.set_fill_color(SHADE)
            paper.rect(MARGIN, top, sum(self.widths), height, style="F")
        for lines, room, is_right in zip(texts, self.widths, self.right, strict=True):
            for number, line in enumerate(lines):
                indent = room - PADDING - self.width(line, style) if is_right else PADDING
                paper.set_font(FAMILY, style, self.size)
                paper.text(left + indent, top + LINE * (number + 1) - 0.7, line)
            left += room
        paper.set_draw_color(RULE)
        paper.line(MARGIN, top + height, MARGIN + sum(self.widths), top + height)
        paper.set_xy(MARGIN, top + height)

    def _broken(self, text: str, room: float, style: str) -> list[str]:
        """The lines of a text that are no wider than the room."""
        lines, line = [], ""
        for word in text.split(" "):
            longer = f"{line} {word}" if line else word
            if self.width(longer, style) <= room:
                line = longer
                continue
            if line:
                lines.append(line)
            line = word
            while self.width(line, style) > room and len(line) > 1:
                fits = [n for n in range(2, len(line)) if self.width(line[:n], style) <= room]
                size = max(fits, default=1)
                lines.append(line[:size])
                line = line[size:]
        return [*lines, line]
