"""How the extension shows notebook cells: on its own parts, and on a built page."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path

import pytest
import served

sys.path.insert(0, str(served.ROOT / "book/_ext"))

from labsite import cells, check_jupyter_book, discovery, pictures, shell
from sphinx.errors import ExtensionError


@pytest.mark.parametrize(
    ("script", "starts"),
    [
        ("ls\nid", ["ls", "id"]),
        ("# why\nls", ["ls"]),
        ("\n\nls", ["ls"]),
        ("ls \\\n-l\nid", ["ls \\", "id"]),
        ("ls |\nwc\nid", ["ls |", "id"]),
        ("echo 'a\nb'\nid", ["echo 'a", "id"]),
        ("cat <<END\nid\nEND\nls", ["cat <<END", "ls"]),
        ("cat > f <<-'X Y'\nls", ["cat > f <<-'X Y'", "ls"]),
        ("for i in 1 2\ndo\n  id\ndone\nls", ["for i in 1 2", "ls"]),
        ("if true; then\n  id\nfi", ["if true; then"]),
    ],
)
def test_prompt_stands_before_commands(script: str, starts: list[str]) -> None:
    """A prompt begins each command, and no line that only continues one."""
    found = [script[at:].split("\n")[0] for at in shell.command_starts(script)]
    assert found == starts


def test_lexer_changes_nothing_but_prompts() -> None:
    """Without its prompts the lexed text is the script."""
    script = "id # me\ncat <<'E'\n$x\nE\n"
    tokens = list(shell.RootShellLexer().get_tokens(script))
    text = "".join(value for kind, value in tokens if str(kind) != "Token.Generic.Prompt")
    assert text == script
    assert sum(str(kind) == "Token.Generic.Prompt" for kind, _ in tokens) == 2


@pytest.mark.parametrize(
    ("line", "prompt", "lexer", "stdin"),
    [
        ("%%vm", "lab@mail", "vm-user", None),
        ("%%vm --as root", "root@mail", "vm-root", None),
        ("%%vm --timeout 900 --as=cyrus", "cyrus@mail", "vm-user", None),
        ("%%vm --stdin letter --lab other", "lab@mail", "vm-user", "letter"),
    ],
)
def test_magic_line_says_who_and_where(
    line: str, prompt: str, lexer: str, stdin: str | None
) -> None:
    """The first line becomes the mark above the block."""
    read = cells.parse_vm_line(line)
    assert (read.prompt, read.lexer, read.stdin) == (prompt, lexer, stdin)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('show("etc/imapd.conf", part="lmtp")', "/etc/imapd.conf"),
        ("show('etc/cyrus.conf')", "/etc/cyrus.conf"),
        ('show("a")\nshow("b")', None),
        ("show(name)", None),
        ("%%vm\nshow('a')", None),
    ],
)
def test_shown_file_has_its_path(source: str, path: str | None) -> None:
    """Only a cell that does nothing but show one file is shown as that file."""
    assert cells.shown_file(source) == path


def test_picture_takes_its_paint_from_the_page() -> None:
    """What dot writes loses its black, its ids and its titles, and gets words."""
    dot = (
        '<?xml version="1.0"?>\n<svg width="48pt" height="20pt" viewBox="0 0 48 20">'
        '<g id="node1" class="node"><title>a</title><path fill="none" stroke="black"/>'
        '<text font-family="Times" font-size="14.00">a</text></g></svg>'
    )
    assert pictures.inline(dot, 'a "b"') == (
        '<div class="picture" tabindex="0">'
        '<svg role="img" aria-label="a &quot;b&quot;" style="--width:4.00em" viewBox="0 0 48 20">'
        '<g class="node"><path fill="none" stroke="currentColor"/>'
        '<text fill="currentColor" font-size="14.00">a</text></g></svg></div>'
    )


def test_jupyter_book_2_is_refused() -> None:
    """The wrong version ends the build with what to do."""
    check_jupyter_book("1.0.4.post1")
    with pytest.raises(ExtensionError, match=r"found 2\.1\.7.*make setup"):
        check_jupyter_book("2.1.7")


def test_description_ends_at_a_word() -> None:
    """A long first paragraph is cut between words."""
    from docutils import nodes
    from docutils.utils import new_document

    document = new_document("x")
    text = "word " * 60
    document += nodes.section("", nodes.paragraph(text, text))
    described = discovery.describe(document)
    assert described.endswith("word …")
    assert len(described) <= discovery.LONGEST + 2


@pytest.fixture(scope="module")
def page(trial: Path) -> str:
    """The main part of the trial page with every kind of cell."""
    html = (trial / "notebooks/cells.html").read_text(encoding="utf-8")
    return html[html.index("<article") : html.index("</article>")]


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Give title, lexer and text of every titled block."""
    found = re.findall(
        r'<p class="cell-title">(.*?)</p>\s*<div class="highlight-(\S+) .*?<pre>(.*?)</pre>',
        page,
        re.DOTALL,
    )
    return [(unescape(t), lexer, unescape(re.sub(r"<.*?>", "", text))) for t, lexer, text in found]


def test_vm_cells_show_as_shell(page: str) -> None:
    """A `%%vm` cell is shell behind a prompt, under the name of who runs it."""
    assert "%%vm" not in page
    shown = blocks(page)
    assert shown[1] == ("lab@mail", "vm-user", "$ hostname --fqdn\n$ id --user --name\n")
    assert shown[2][:2] == ("root@mail", "vm-root")
    assert "# install -d -o cyrus" in shown[2][2]
    assert shown[3] == ("lab@mail, input: letter", "vm-user", "$ sendmail ben@lab.example\n")


def test_other_cells_show_as_what_they_are(page: str) -> None:
    """Files stand under their path without the call, checks are named, the rest is Python."""
    titles = [title for title, _, _ in blocks(page)]
    assert titles[0] == "Python"
    assert titles[6:9] == ["/etc/imapd.conf", "Check", "Check"]
    assert "show(" not in re.sub(r"<.*?>", "", page)
    assert page.count('class="output stream holds') == 3


def test_outputs_show_as_what_they_are(page: str) -> None:
    """Talks, errors, what went to stderr, and pictures each have their mark."""
    assert page.count("highlight-dialog") == 1
    assert page.count("output stderr") == 1
    assert "tag_raises-exception" in page
    assert 'aria-label="two bars"' in page
    assert '<svg role="img" aria-label="chain" style="--width:7.50em"' in page
    assert '<span class=" -Color -Color-Green">colour 32</span>' in page


def test_exercise_shows_as_one(page: str) -> None:
    """Hint and solution are folded, the solution is shell, and what is to do is no check that holds."""
    folded = page[page.index("<details>") : page.rindex("</details>")]
    assert folded.count("<summary>") == 2
    assert blocks(folded) == [
        (
            "lab@mail",
            "vm-user",
            "$ sudo true\n$ echo 'a line that is long enough to be wider than a "
            "phone, so that it has to scroll' \\\n  > file\n",
        ),
    ]
    assert [title for title, _, _ in blocks(page)][-2:] == ["Exercise", "Exercise"]
    assert page.count('class="output stream open') == 1


def test_notes_and_tables_of_prose(trial: Path) -> None:
    """A quotation that begins with a bold word is a box; a header row without words is gone."""
    html = (trial / "notebooks/prose.html").read_text(encoding="utf-8")
    boxes = re.findall(r'<div class="admonition (\w+)">\s*<p class="[^"]*">(.*?)</p>', html)
    assert boxes == [("note", "Note"), ("warning", "Warning")]
    assert html.count("<blockquote") == 1
    assert html.count("<thead") == 1
