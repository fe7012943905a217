"""What a page says and how it is built, read as a browser does."""

import json
from html.parser import HTMLParser
from typing import Any

__all__ = ["Outline"]

VOID = {"meta", "link", "br"}


class Outline(HTMLParser):
    """The tags of a page in order, its text outside of scripts and the JSON of its figures."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.figures: list[dict[str, Any]] = []
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag + ("/json" if dict(attrs).get("type") == "application/json" else ""))
        if tag not in VOID:
            self.open.append(self.tags[-1])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().split("/")[0] == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script/json":
            self.figures.append(json.loads(data))
        elif self.open and self.open[-1] not in ("script", "style"):
            self.text += data
