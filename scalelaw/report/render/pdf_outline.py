"""Bookmarks of a PDF: an outline with an entry for each page, appended to a finished file as an update.

matplotlib writes no outlines. The update holds a new catalog and the entries; the file before it stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def add_outline(path: Path, titles: Sequence[str]) -> None:
    """Give the PDF an entry for each title: the first is page one's, and so on; '' is a page without one of its own.

    A file of an unknown build is left as it is.
    """
    data = path.read_bytes()
    kids = re.search(rb"/Kids \[([^\]]*)\]", data)
    root, size = re.search(rb"/Root (\d+) 0 R", data), re.search(rb"/Size (\d+)", data)
    starts = re.findall(rb"startxref\s+(\d+)", data)
    if not (kids and root and size and starts):
        return
    pages = re.findall(rb"(\d+) 0 R", kids[1])
    catalog = re.search(rb"(?m)^" + root[1] + rb" 0 obj\s*<<(.*?)>>\s*endobj", data, re.DOTALL)
    entries = [(title, page) for title, page in zip(titles, pages, strict=False) if title]
    if catalog is None or not entries:
        return
    outline = int(size[1])
    numbers = [outline + 1 + place for place in range(len(entries))]
    objects = {
        int(root[1]): b"<<" + catalog[1] + f" /Outlines {outline} 0 R /PageMode /UseOutlines >>".encode(),
        outline: (
            f"<< /Type /Outlines /First {numbers[0]} 0 R /Last {numbers[-1]} 0 R /Count {len(entries)} >>".encode()
        ),
    }
    for place, (title, page) in enumerate(entries):
        near = f" /Prev {numbers[place - 1]} 0 R" if place else ""
        near += f" /Next {numbers[place + 1]} 0 R" if place + 1 < len(entries) else ""
        name = (b"\xfe\xff" + title.encode("utf-16-be", "replace")).hex()
        objects[numbers[place]] = (
            f"<< /Title <{name}> /Parent {outline} 0 R /Dest [{page.decode()} 0 R /Fit]{near} >>".encode()
        )
    places, body = {}, b"" if data.endswith(b"\n") else b"\n"
    for number, content in objects.items():
        places[number] = len(data) + len(body)
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = b"".join(f"{number} 1\n{places[number]:010d} 00000 n \n".encode() for number in sorted(places))
    end = len(data) + len(body)
    info = re.search(rb"/Info \d+ 0 R", data)
    trailer = f"trailer\n<< /Size {numbers[-1] + 1} /Root {root[1].decode()} 0 R /Prev {starts[-1].decode()} ".encode()
    body += b"xref\n" + table + trailer + (info[0] if info else b"") + b" >>\n"
    path.write_bytes(data + body + f"startxref\n{end}\n%%EOF\n".encode())
