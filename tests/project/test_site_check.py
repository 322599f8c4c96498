"""What a built site is refused for, each in a small one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.site_check import Checked, checked

OTHER = "https://cdn.example.org"
RIGHT = (
    '<h1 id="top">A</h1><a href="b/c.html#here">b</a> <a href="#top">up</a> <a href="https://example.org">out</a>'
    ' <a href="b/">b</a> <link rel="stylesheet" href="s.css"> <img src="data:image/png;base64,">'
)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site in which all is right."""
    (tmp_path / "b").mkdir()
    (tmp_path / "index.html").write_text(RIGHT)
    (tmp_path / "b/index.html").write_text("<p>b</p>")
    (tmp_path / "b/c.html").write_text('<p id="here">c</p><a href="../index.html">up</a>')
    (tmp_path / "s.css").write_text("p { background: url(data:image/png;base64,) } /* https://example.org */")
    (tmp_path / "404.html").write_text('<link href="/s.css">')
    return tmp_path


def test_a_site_in_which_all_is_right_is_counted(site: Path) -> None:
    assert checked(site) == Checked(pages=3, links=7, complaints=())


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ('<a href="gone.html">gone</a>', "gone.html: leads nowhere"),
        ('<a href="b/c.html#gone">gone</a>', "b/c.html#gone: no such place on that page"),
        ('<a href="../outside.html">out</a>', "../outside.html: leads nowhere"),
        ('<img src="gone.png">', "gone.png: leads nowhere"),
        (f'<script src="{OTHER}/a.js"></script>', f"{OTHER}/a.js: fetched from another host"),
        (f'<link rel="stylesheet" href="{OTHER}/a.css">', f"{OTHER}/a.css: fetched from another host"),
        ('<img src="//cdn.example.org/a.png">', "//cdn.example.org/a.png: fetched from another host"),
        (f"<p style=\"background: url('{OTHER}/a.png')\">", f"{OTHER}/a.png: fetched from another host"),
    ],
)
def test_what_is_wrong_is_told(site: Path, wrong: str, reason: str) -> None:
    (site.parent / "outside.html").touch()
    (site / "wrong.html").write_text(wrong)

    assert checked(site).complaints == (f"wrong.html: {reason}",)


@pytest.mark.parametrize("style", [f"@import '{OTHER}/f.css';", f"@font-face {{ src: url({OTHER}/f.woff2) }}"])
def test_a_style_that_fetches_from_another_host_is_told(site: Path, style: str) -> None:
    (site / "s.css").write_text(style)

    (complaint,) = checked(site).complaints
    assert complaint.startswith(f"s.css: {OTHER}/f.")
    assert complaint.endswith(": fetched from another host")
