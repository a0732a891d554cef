"""A tiny book with every kind of notebook cell and output, built with the real site's own settings.

The real notebooks come and go; this one makes sure that what an author may write always renders.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

SHARED = ("_config.yml", "book/_ext", "book/_static", "book/_templates", "book/references.bib")

TOC = """\
format: jb-book
root: book/index
parts:
  - caption: The tutorial
    chapters:
      - file: notebooks/cells
      - file: notebooks/prose
"""

INDEX = """\
# A trial book

Every kind of cell and output, and {term}`one term`. See {cite}`rfc5321`.

```{graphviz}
:alt: a leads to b
:caption: A picture
digraph { rankdir=LR; a [class="main"]; b [shape=cylinder, style="", class="disk"]; a -> b [class="data"] }
```

:::{glossary}
one term
  A word that is used.
:::

```{bibliography}
```
"""

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40" width="240" height="80">'
    '<title>two bars</title><rect width="60" height="16" fill="#1d8a93"/>'
    '<rect y="22" width="110" height="16" fill="#95400f"/></svg>'
)

TABLE = "| mailbox | messages |\n| --- | --- |\n| ben | 3 |\n| a long name without any break at all | 4 |"

HEREDOC = """\
%%vm --as root --timeout 60
# Two users; the second line goes on.
install -d -o cyrus -g mail /var/lib/cyrus \\
    /var/spool/cyrus/mail
cat > /etc/imapd.conf <<'END'
configdirectory: /var/lib/cyrus
END
for user in ben anna
do
    echo "$user"
done"""

LONG = "\n".join(f"{n:5d}  cyr_expire[{4000 + n}]: expired {n} of {n * 7} messages" for n in range(40))
WIDE = "imap[871]: accepted connection from localhost, " + "a very long line of a log " * 8
COLOURS = "".join(f"\x1b[{code}mcolour {code}\x1b[0m " for code in range(30, 38)) + "\n"
TRACEBACK = [
    "\x1b[31mCommandFailed\x1b[0m: exit code 1",
    "  $ imtest -p lmtp /run/cyrus/socket/lmtp",
    "  next: look at journalctl -u cyrus-imapd",
]


def stream(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    """Give a stream output."""
    return new_output("stream", name=name, text=text)


def code(source: str, *outputs: nbformat.NotebookNode, tags: list[str] | None = None) -> object:
    """Give a code cell with stored outputs."""
    return new_code_cell(source, outputs=list(outputs), metadata={"tags": tags or []})


def cells_notebook() -> nbformat.NotebookNode:
    """Every kind of cell and output an author may use."""
    error = new_output(
        "error", ename="CommandFailed", evalue="exit code 1", traceback=TRACEBACK
    )
    picture = new_output("display_data", data={"image/svg+xml": SVG, "text/plain": "<SVG>"})
    table = new_output("display_data", data={"text/markdown": TABLE, "text/plain": TABLE})
    value = new_output("execute_result", data={"text/plain": "Result(code=0)"}, execution_count=1)
    dialog = "S: 220 mail.lab.example LMTP\nC: LHLO lab\nS: 250 PIPELINING\nC: QUIT\nS: 221 bye\n"
    return new_notebook(cells=[
        new_markdown_cell("# Cells\n\nThe first paragraph says what this page is for."),
        code("from lab import Lab, check, show\n\nvm = Lab().up()", stream("lab: ready in 0.9 s\n")),
        new_markdown_cell("## Shell\n\nA command of the lab user, and one of root."),
        code("%%vm\nhostname --fqdn\nid --user --name", stream("mail.lab.example\nlab\n")),
        code(HEREDOC, stream("ben\nanna\n")),
        code("%%vm --stdin letter\nsendmail ben@lab.example"),
        code("%%vm\nls /nowhere", stream("before\n"), stream("ls: cannot access\n", "stderr")),
        code("%%vm\nfalse", error, tags=["raises-exception"]),
        new_markdown_cell("## Files and checks"),
        code('show("etc/imapd.conf", part="paths")', stream("# where\nconfigdirectory: /var/lib/cyrus\n")),
        code("check.port_answers(vm, 143)", stream("ok   port 143 answers\n")),
        code("check.port_answers(vm, 143)\ncheck.service_runs(\n    vm, 'ssh')", stream("ok   a\nok   b\n")),
        new_markdown_cell("## Outputs"),
        code("with vm.dialog('x') as talk:\n    talk.say('QUIT')", stream(dialog)),
        code("vm.run('true')", value),
        code("print(colours)", stream(COLOURS + WIDE + "\n" + LONG + "\n")),
        code("display(picture)", picture),
        code("display(table)", table),
        code("secret = 1", tags=["hide-input"]),
    ], metadata=KERNEL)


PROSE = """\
# Prose

What an author may write in a notebook so that it reads well in Jupyter and on the site.

> **Note.** With `code` and **weight**.

> **Warning.** With a list:
>
> - one
> - two

> A plain quotation stays one.

Links to [a page](../book/index.md), [a chapter](cells.ipynb), [a part of it](cells.ipynb#shell) and
[RFC 5321](https://www.rfc-editor.org/rfc/rfc5321).

| port | protocol | a column with rather more words in it | and one more for the width |
| --- | --- | --- | --- |
| 25 | SMTP | `smtps -f /etc/meta1/meta1.conf -VVVV` | mail.lab.example |

```bash
make book
```
"""

KERNEL = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def write(root: Path, tree: Path) -> Path:
    """Write the trial book below `tree` with the settings of the checkout at `root`."""
    for name in SHARED:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, target)
    (tree / "_toc.yml").write_text(TOC)
    (tree / "book/index.md").write_text(INDEX)
    (tree / "notebooks").mkdir()
    prose = new_notebook(cells=[new_markdown_cell(PROSE)], metadata=KERNEL)
    nbformat.write(cells_notebook(), tree / "notebooks/cells.ipynb")
    nbformat.write(prose, tree / "notebooks/prose.ipynb")
    return tree
