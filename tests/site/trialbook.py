"""A tiny book with every kind of notebook cell and output, built with the real site's own settings.

The real notebooks come and go; this one makes sure that what an author may write always renders.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

Json = dict[str, Any]

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
digraph {
  rankdir=LR
  a [class="main"]
  b [shape=cylinder, style="", class="disk"]
  a -> b [class="data"]
}
```

:::{glossary}
one term
  A word that is used.
:::

```{bibliography}
```
"""

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 40" width="240" height="80">
<title>two bars</title><rect width="60" height="16" fill="#1d8a93"/>
<rect y="22" width="110" height="16" fill="#95400f"/></svg>
"""

GRAPH = """\
<svg width="90pt" height="40pt" viewBox="0 0 90 40" xmlns="http://www.w3.org/2000/svg">
<g id="graph0" class="graph"><title>chain</title><g id="node1" class="node"><title>a</title>
<polygon fill="#ffffff" stroke="#767676" points="80,-10 10,-10 10,-30 80,-30 80,-10"/>
<text text-anchor="middle" x="45" y="-16" font-size="12.00">authority</text></g></g></svg>
"""

TABLE = """\
| mailbox | messages |
| --- | --- |
| ben | 3 |
| a long name that has to break somewhere | 4 |
"""

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

LONG = "".join(f"{n:5d}  cyr_expire[{4000 + n}]: expired {n} messages\n" for n in range(40))
WIDE = "imap[871]: accepted connection from localhost, " + "a very long line of a log " * 8
COLOURS = "".join(f"\x1b[{code}mcolour {code}\x1b[0m " for code in range(30, 38)) + "\n"
DIALOG = "S: 220 mail.lab.example LMTP\nC: LHLO lab\nS: 250 PIPELINING\nC:\nC: QUIT\nS: 221 bye\n"

PROSE = """\
# Prose

What an author may write in a notebook so that it reads well in Jupyter and on the site.

| | |
| --- | --- |
| Time to run | 10 seconds |

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


def markdown(source: str) -> Json:
    """Give a Markdown cell."""
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: Json, tags: tuple[str, ...] = ()) -> Json:
    """Give a code cell with stored outputs."""
    cell = {"cell_type": "code", "execution_count": None, "source": source}
    return {**cell, "metadata": {"tags": list(tags)}, "outputs": list(outputs)}


def stream(text: str, name: str = "stdout") -> Json:
    """Give an output of a stream."""
    return {"output_type": "stream", "name": name, "text": text}


def display(kind: str, content: str) -> Json:
    """Give a displayed output with its plain text beside it."""
    data = {kind: content, "text/plain": content}
    return {"output_type": "display_data", "metadata": {}, "data": data}


def error(*lines: str) -> Json:
    """Give the output of a cell that failed."""
    return {"output_type": "error", "ename": "X", "evalue": "x", "traceback": list(lines)}


EXERCISE = """\
## Exercise

Do this.

<details><summary>Hint</summary>

Think of `that`.

</details>

<details><summary>Solution</summary>

```bash
sudo true
echo 'a line that is long enough to be wider than a phone, so that it has to scroll' \\
  > file
```

</details>
"""

CELLS = (
    markdown("# Cells\n\nThe first paragraph says what this page is for."),
    code("from lab import Lab, check, show\n\nvm = Lab().up()", stream("ready in 0.9 s\n")),
    markdown("## Shell\n\nA command of the lab user, and one of root."),
    code("%%vm\nhostname --fqdn\nid --user --name", stream("mail.lab.example\nlab\n")),
    code(HEREDOC, stream("ben\nanna\n")),
    code("%%vm --stdin letter\nsendmail ben@lab.example"),
    code("%%vm\nls /nowhere", stream("before\n"), stream("ls: cannot access\n", "stderr")),
    code(
        "%%vm\nfalse",
        stream("before\n"),
        error("\x1b[31mCommandFailed\x1b[0m: exit 1", "  $ false"),
        tags=("raises-exception",),
    ),
    markdown("## Files and checks"),
    code('show("etc/imapd.conf", part="x")', stream("# where\nconfigdirectory: /var/lib/cyrus\n")),
    code("check.port_answers(vm, 143)", stream("ok   port 143 answers\n")),
    code("vm.wait_for('x')\ncheck.true(\n    'a',\n    True)", stream("ok   a\nok   b\n")),
    markdown("## Outputs"),
    code("with vm.dialog('x') as talk:\n    talk.say('QUIT')", stream(DIALOG)),
    code("vm.run('x')", display("text/plain", "Result(code=0)")),
    code("print(colours)", stream(COLOURS + WIDE + "\n" + LONG)),
    code("display(picture)", display("image/svg+xml", SVG)),
    code("display(graph)", display("image/svg+xml", GRAPH)),
    code("display(table)", display("text/markdown", TABLE)),
    code("hidden = 1", tags=("hide-input",)),
    markdown(EXERCISE),
    code("exercise(vm, 1)", stream("to do  that is so\n")),
    code("exercise(vm, 1)", stream("ok   that is so\n")),
)


def notebook(*cells: Json) -> str:
    """Give a notebook as its file has it."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    language = {"name": "python", "pygments_lexer": "ipython3"}
    numbered = [{**cell, "id": f"cell-{number}"} for number, cell in enumerate(cells)]
    metadata = {"kernelspec": kernel, "language_info": language}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": numbered}, indent=1
    )


def write(root: Path, tree: Path) -> Path:
    """Write the trial book below `tree` with the settings of the checkout at `root`."""
    for name in SHARED:
        source, target = root / name, tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    config = tree / "_config.yml"
    # Redirects lead to pages that this book has not.
    config.write_text(re.sub(r"    redirects:\n(      .*\n)+", "", config.read_text()))
    (tree / "notebooks").mkdir()
    (tree / "_toc.yml").write_text(TOC)
    (tree / "book/index.md").write_text(INDEX)
    (tree / "notebooks/cells.ipynb").write_text(notebook(*CELLS))
    (tree / "notebooks/prose.ipynb").write_text(notebook(markdown(PROSE)))
    return tree
