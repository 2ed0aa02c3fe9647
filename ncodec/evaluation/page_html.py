"""Pieces of HTML. Every text goes through `shown`, since names may come from hostile files."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template

_NAME = ' class="name"'


def shown(text: object) -> str:
    """Text as HTML: markup is escaped, and control characters are written out."""
    return html.escape(printable(str(text)))


def printable(text: str) -> str:
    """Text without control characters, direction marks and lone surrogates."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def static(name: str) -> str:
    """A file of the folder `page_static`."""
    return (files("ncodec.evaluation") / "page_static" / name).read_text("utf-8")


def fill(name: str, **values: str) -> str:
    """A template of the folder `page_static` with its places filled by HTML."""
    return Template(static(name)).substitute(values)


def data_url(kind: str, data: bytes) -> str:
    """A file inside an address; `kind` is its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def data_block(value: object) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def policy(style: str, script: str) -> str:
    """A content security policy: this style and this script, embedded media, nothing else."""
    rules = {
        "default-src": "'none'",
        "img-src": "data:",
        "media-src": "data:",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def section(identity: str, title: str, body: str) -> str:
    """A part of the page with a heading that can be linked to."""
    return (
        f'<section id="{identity}" aria-labelledby="{identity}-title">\n'
        f'<h2 id="{identity}-title">{shown(title)}</h2>\n{body}\n</section>'
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, names: int = 1) -> str:
    """A table that scrolls sideways; the first `names` columns are names, the others numbers.

    Numbers that start with a sign and end in a percent sign are coloured.
    """
    top = "".join(
        f'<th scope="col"{_NAME if i < names else ""}>{shown(cell)}</th>'
        for i, cell in enumerate(head)
    )
    body = "".join(f"<tr>{_cells(row, names)}</tr>\n" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{shown(caption)}">'
        f"<table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], names: int) -> str:
    cells = [f'<th scope="row" title="{shown(row[0])}">{shown(row[0])}</th>']
    cells += [f"<td{_NAME}>{shown(cell)}</td>" for cell in row[1:names]]
    cells += [f"<td{_tint(cell)}>{shown(cell)}</td>" for cell in row[names:]]
    return "".join(cells)


def _tint(cell: str) -> str:
    kinds = {"-": "better", "+": "worse"}
    kind = kinds.get(cell[:1]) if cell.endswith("%") and len(cell) > 1 else None
    return f' class="{kind}"' if kind else ""


def facts(values: Mapping[str, str]) -> str:
    """A list of names and values."""
    rows = (f"<dt>{shown(name)}</dt><dd>{shown(value)}</dd>" for name, value in values.items())
    return f"<dl>{''.join(rows)}</dl>"


def plot(variants: Mapping[str, bytes], text: str) -> str:
    """An SVG plot; `variants` maps media queries to other SVGs, "" to the plain one."""
    sources = "".join(
        f'<source media="{html.escape(query)}" srcset="{data_url("image/svg+xml", data)}">'
        for query, data in variants.items()
        if query
    )
    image = f'<img src="{data_url("image/svg+xml", variants[""])}" alt="{shown(text)}">'
    return f'<figure class="plot"><picture>{sources}{image}</picture></figure>'
