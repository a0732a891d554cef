"""What the extension adds to pages: their heads, links to the reference, pictures from tables, other editions."""

from __future__ import annotations

import re
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import served
from docutils import nodes
from sphinx.errors import ExtensionError

sys.path.insert(0, str(served.ROOT / "book" / "_ext"))

from labsite import chapter, edition, epub, mentions, pictures, queue_states, redirects, rights

from lab.drift.history import Machine, Run, Turn

RUN = Run(
    "2026-01-02T10:00:00+00:00",
    "abc",
    Machine("container", "0123456789ab", {"Debian": "12.5", "cyrus-imapd": "3.6.1-4+deb12u3"}),
    {"01-a": Turn("same", 4.6, 9)},
)


def test_head_of_a_chapter_quotes_its_newest_run() -> None:
    """Time, day, image and versions are those of the record; without one the page says so."""
    assert chapter.times("01-a", [RUN]) == "5 seconds in a container"
    assert chapter.verified("01-a", [RUN]) == (
        "2 January 2026: all as printed here",
        "image 0123456789ab, in a container: Debian 12.5, Cyrus IMAP 3.6.1",
    )
    assert chapter.verified("02-b", [RUN]) == (chapter.NEVER, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("see RFC 5321.", "rfc5321"),
        ("RFC 5321 4.2.1 says", "rfc5321#section-4.2.1"),
        ("RFC 5321, section 4.5 says", "rfc5321#section-4.5"),
        ("RFC 8996 and RFC 8314", "rfc8996"),
    ],
)
def test_rfcs_lead_to_their_section(text: str, said: str) -> None:
    """An RFC, with its section if one is named, is a link to where it is published."""
    links = [n for n in mentions.with_links(text, set(), None) if isinstance(n, nodes.reference)]
    assert links[0]["refuri"] == f"https://www.rfc-editor.org/rfc/{said}"


def test_of_two_options_the_one_that_is_meant() -> None:
    """A name that several sections have leads to the one of which the text speaks."""
    found = [mentions.Entry("p", name, f"Section {name}", "") for name in ("smtps", "smtpc")]
    literal = nodes.literal("", "flags")
    nodes.paragraph("", "", nodes.Text("In smtpc the option "), literal)
    assert mentions.best(found, literal).anchor == "smtpc"


def test_plain_words_are_options_only_where_the_text_says_so() -> None:
    """`user` in a sentence is a user."""
    entry = mentions.Entry(mentions.OPTIONS, "x", "", "")
    plain, told = nodes.literal("", "user"), nodes.literal("", "user")
    nodes.paragraph("", "", nodes.Text("the file of "), plain)
    nodes.paragraph("", "", nodes.Text("the option "), told)
    assert not mentions.is_meant(plain, "user", entry)
    assert mentions.is_meant(told, "user", entry)


def test_redirects_that_lead_nowhere_stop_the_build() -> None:
    """An old address must not hide a page, and its new one must be there."""
    redirects.check({"old": "new"}, {"new"})
    with pytest.raises(ExtensionError, match="which is no page"):
        redirects.check({"old": "gone"}, {"new"})
    with pytest.raises(ExtensionError, match="is a page"):
        redirects.check({"new": "other"}, {"new", "other"})


def test_queue_states_are_those_of_the_table() -> None:
    """The picture has a column for each state, and refuses a fate whose kind it does not know."""
    table = queue_states.states((served.ROOT / queue_states.SOURCE).read_text())
    picture = ET.fromstring(queue_states.draw(table))
    names = [e.text for e in picture.iter("text") if e.get("class") == "state"]
    assert names == [state.name for state in table]
    assert names[:2] == ["S0", "S1"]
    with pytest.raises(ExtensionError, match="S9"):
        _ = queue_states.State("S9", ("a", "b", "c"), "", "who knows").fate


def test_rights_are_those_that_the_machine_printed() -> None:
    """An edge for each right, thick where it writes, and what nobody reaches stands apart."""
    runs = rights.processes(["COMMAND USER GROUP", "smtps meta1s x", "qmgr meta1q y"])
    may = rights.reach(["meta1s meta1q", "/queue rw --", "/conf r- r-", "/root -- --"])
    picture = rights.dot(runs, may)
    assert '"smtps" -> "/queue" [class=data]' in picture
    assert '"qmgr" -> "/conf" [style=dashed]' in picture
    assert '"qmgr" -> "/queue"' not in picture
    assert rights.in_words(runs, may).endswith("None of them reaches /root.")


def test_stored_pictures_follow_the_page() -> None:
    """Paints become the page's, an SVG file's own style does not leak, and ids stay its own."""
    svg = (
        '<?xml version="1.0"?><svg width="72pt" height="9pt" aria-label="x"><metadata>m</metadata>'
        '<style>*{stroke: red}</style><clipPath id="c"/><g id="unused" clip-path="url(#c)" fill="#767676"/></svg>'
    )
    shown = pictures.themed(svg)
    assert "var(--pst-color-text-muted, #767676)" in shown
    assert not any(word in shown for word in ("metadata", "stroke: red", "unused", "<?xml", "pt"))
    own = re.search(r'clipPath id="([^"]+)"', shown)
    assert own
    assert f"url(#{own[1]})" in shown


def test_whole_book_has_every_page_and_no_dead_link(site: Path) -> None:
    """The one page from which the PDF is printed holds all pages, and its links stay within it."""
    text = edition.whole(site)
    listed = served.pages((served.ROOT / "_toc.yml").read_text())[: -len(served.BESIDE)]
    assert [page for page in listed if f'id="{edition.anchor(page)}"' not in text] == []
    assert list(edition.dead_links(text)) == []


def test_epub_is_well_formed_and_the_same_each_time(site: Path, tmp_path: Path) -> None:
    """Every page of it is XML, every file is listed, and two of one site are the same bytes."""
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for name in ("a.epub", "b.epub"):
        epub.write(epub.book(site, when), tmp_path / name)
    assert (tmp_path / "a.epub").read_bytes() == (tmp_path / "b.epub").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.epub") as packed:
        names = packed.namelist()
        assert names[0] == "mimetype"
        for name in names:
            if name.endswith((".xhtml", ".opf")):
                ET.fromstring(packed.read(name))
        listed = packed.read("EPUB/book.opf").decode()
        assert [n for n in names[2:] if n != "EPUB/book.opf" and f'"{n[5:]}"' not in listed] == []
