"""A page that sends its reader on to another: a static host knows no rules."""

from __future__ import annotations

from html import escape

PAGE = """\
<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="canonical" href="{address}">
<meta http-equiv="refresh" content="0; url={target}">
</head>
<body><main><h1>{title}</h1><p>{words[0]}<a href="{target}">{words[1]}</a>{words[2]}</p></main></body>
</html>
"""


def sending_on(
    title: str, target: str, address: str, lang: str, words: tuple[str, str, str]
) -> str:
    """HTML of the page: its title as plain text, where it leads, that page's one address, and words around the link."""
    return PAGE.format(title=escape(title), target=target, address=address, lang=lang, words=words)
