"""How every picture looks and is saved: the same bytes for the same data and installed fonts."""

import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

from stages.runtime.files import atomic_write

BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#777777"
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Any = {  # sizes that are legible at the width of a web page
    "text.parse_math": False,  # a class name may have dollar signs
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    # Else matplotlib looks three times for ticks that the title might cover, 10 ms per image.
    "axes.titley": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    # Colors that color-blind people can tell apart, too (Okabe and Ito 2008).
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, *OTHERS, GRAY]),
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
    "figure.dpi": 120,
}

EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO")  # in the names of characters
REGULAR = ("Regular", "Book", "Normal", "Roman", "Medium")
LINE = 0.14  # inches: of a caption
ISOLATE, END_ISOLATE = "\u2068", "\u2069"


def make_legible(names: list[str]) -> list[str]:
    """The names of the classes as pictures show them, after a choice of fonts for them.

    One in a script from right to left becomes a unit whose direction does not turn the text around
    it. One with a character that no installed font has becomes its label, e.g. `class 3`; a line on
    stderr says so.
    """
    default = FT2Font(font_manager.findfont(font_manager.FontProperties(family=["sans-serif"])))
    marks = {one for one in set().union(*names) if "VARIATION SEL" in unicodedata.name(one, "")}
    missing = lacking(default, set().union(*names) - marks)
    if missing:
        families, missing = find_fonts(missing)
        mpl.rcParams["font.family"] = ["sans-serif", *families]
    if missing:
        shown = ", ".join(f"{one} (U+{ord(one):04X})" for one in sorted(missing)[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        asian = any(unicodedata.name(one, "").startswith(EAST_ASIAN) for one in missing)
        print(
            f"{Path(sys.argv[0]).stem}: warning: no installed font has {shown}{more}; pictures "
            "show the label of such a class, not its name; install e.g. Debian's fonts-noto-"
            f"{'cjk' if asian else 'core'}, then `dvc repro --force` this stage",
            file=sys.stderr,
        )
    return [
        f"class {label}" if missing.intersection(name) else isolate(name)
        for label, name in enumerate(names)
    ]


def wrap(text: str, columns: int, most: int | None = None) -> str:
    """A text with lines of at most so many columns, of which an East Asian character takes two.

    Lines after `most` of them are left out.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        words = re.findall(r" *[^ ]+", line)
        if count_columns(line) > columns:  # also within a word that is too long
            words = [
                one
                for word in words
                for one in (word if count_columns(word.strip()) > columns else [word])
            ]
        lines.append("")
        for word in words:
            if count_columns(lines[-1] + word) > columns and lines[-1]:
                # each line is laid out alone: a unit that goes on is one unit here and one there
                inside = lines[-1].count(ISOLATE) > lines[-1].count(END_ISOLATE)
                lines[-1] += END_ISOLATE if inside else ""
                lines.append((ISOLATE if inside else "") + word.lstrip(" "))
            else:
                lines[-1] += word
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        end = END_ISOLATE if last.endswith(END_ISOLATE) else ""
        lines = [*lines[: most - 1], f"{last.removesuffix(end)}...{end}"]
    return "\n".join(lines)


def count_columns(text: str) -> int:
    """How wide a text is, in letters of the Latin alphabet."""
    marks = ("Mn", "Cf")  # which have no width
    return sum(
        1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
        if unicodedata.category(one) not in marks
    )


def isolate(name: str) -> str:
    """A name for a place within text from left to right."""
    to_left = any(unicodedata.bidirectional(one) in ("R", "AL") for one in name)
    return f"{ISOLATE}{name}{END_ISOLATE}" if to_left else name


def find_fonts(characters: set[str]) -> tuple[list[str], set[str]]:
    """Loads installed fonts that have the characters; returns their families and what none has.

    The one with most of them is first. matplotlib's own list is as old as its cache.
    """
    fonts = []
    for path in font_manager.findSystemFonts():
        try:
            font = FT2Font(path)
        except (RuntimeError, OSError):  # not one that matplotlib reads
            continue
        if "lastresort" not in font.family_name.replace(" ", "").lower():  # boxes for all scripts
            fonts.append((font.style_name not in REGULAR, font.family_name, path, font))
    families: list[str] = []
    while characters and fonts:
        *_, family, path, best = min(
            fonts, key=lambda one: (len(lacking(one[3], characters)), *one[:3])
        )
        rest = lacking(best, characters)
        if rest == characters:
            break
        font_manager.fontManager.addfont(path)
        families.append(family)
        characters = rest
    return families, characters


def lacking(font: FT2Font, characters: set[str]) -> set[str]:
    """Those of the characters that a font does not have."""
    return {one for one in characters if not font.get_char_index(ord(one))}


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of `width` by `height` inches."""
    mpl.use("agg")
    mpl.style.use(STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG without the version that matplotlib adds to its metadata.

    `Figure.savefig` would draw it twice, once only for the layout, which each drawing makes anyway.
    """
    with atomic_write(out) as path:
        FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
            path, metadata={"Software": None}
        )


def show_image(axes: Axes, image: NDArray[np.uint8], caption: str = "", size: float = 9) -> None:
    """Shows an image, (h, w, c) of 0 to 255, without axes, below a caption of `size` points."""
    axes.imshow(image.squeeze(), vmin=0, vmax=255)
    axes.set_title(caption, fontsize=size, loc="center")
    axes.axis("off")
