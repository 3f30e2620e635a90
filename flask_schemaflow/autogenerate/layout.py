"""Lay out one statement in the style of ruff and Black: 88 columns, double quotes, one argument a line if needed."""

from __future__ import annotations

import ast
import dataclasses
import re
import tokenize
import typing as t
import unicodedata

WIDTH = 88
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
DEFAULTS = ("schema=None", "if_exists=None", "if_not_exists=None")
_STRING = re.compile(r"([bBuUrR]*)('''|\"\"\"|'|\")(.*)\2\Z", re.DOTALL)


@dataclasses.dataclass
class Group:
    """What stands between two brackets, as items with commas between them.

    :param is_call: whether the brackets follow a name, as those of a call do.
    """

    opening: str
    is_call: bool
    items: list[list[str | Group]] = dataclasses.field(default_factory=list)
    closing: str = ""

    @property
    def flat(self) -> str:
        """The text on one line."""
        inner = ", ".join(flat(item) for item in self.items)
        return f"{self.opening}{inner}{',' * self._is_tuple_of_one}{self.closing}"

    @property
    def _is_tuple_of_one(self) -> bool:
        return self.is_tuple and len(self.items) == 1

    is_tuple: bool = False


Parts = list[str | Group]


def flat(parts: t.Sequence[str | Group]) -> str:
    """Return parts on one line."""
    return "".join(part if isinstance(part, str) else part.flat for part in parts)


def laid_out(tokens: t.Sequence[tokenize.TokenInfo], indent: int) -> str:
    """Return a statement, laid out; its first line without the indent.

    :param tokens: those of one logical line, without comments.
    :param indent: the column at which it begins.
    """
    return _render(_parsed(tokens), indent, 0, is_nested=False)


def _parsed(tokens: t.Sequence[tokenize.TokenInfo]) -> Parts:
    outermost: Parts = []
    stack: list[tuple[Parts, Group | None]] = [(outermost, None)]
    before: tokenize.TokenInfo | None = None
    for token in tokens:
        parts, group = stack[-1]
        space = _space(before, token) if parts else ""
        if token.string in _OPENING:
            made = Group(token.string, is_call=_follows_name(before, space))
            parts += [space] * bool(space) + [made]
            stack.append(([], made))
        elif token.string in _CLOSING and group is not None:
            if parts:
                group.items.append(parts)
            group.items[:] = [item for item in group.items if not group.is_call or flat(item) not in DEFAULTS]
            group.closing = token.string
            stack.pop()
        elif token.string == "," and group is not None:
            group.is_tuple = group.opening == "(" and not group.is_call
            group.items.append(parts)
            stack[-1] = ([], group)
        else:
            parts.append(space + (string(token.string) if token.type == tokenize.STRING else token.string))
        before = token
    return outermost


def _follows_name(before: tokenize.TokenInfo | None, space: str) -> bool:
    return before is not None and not space and (before.type == tokenize.NAME or before.string in _CLOSING)


def _space(before: tokenize.TokenInfo | None, token: tokenize.TokenInfo) -> str:
    if before is None or before.string in (*_OPENING, ".") or token.string in (*_CLOSING, ",", ".", ":"):
        return ""
    return " " if before.end != token.start else ""


def _render(parts: Parts, indent: int, tail: int, is_nested: bool) -> str:
    """Return parts that begin at ``indent``.

    :param tail: how many characters follow on the last line.
    :param is_nested: whether they stand between brackets, where a chain of calls may be broken before its dots.
    """
    text = flat(parts)
    if "\n" not in text and indent + width_of(text) + tail <= WIDTH:
        return text
    if is_nested:
        links = _links(parts)
        if len(links) > 2:
            rendered = [_render(link, indent, 0, is_nested=False) for link in links]
            return f"\n{' ' * indent}".join(rendered)
    result = ""
    for number, part in enumerate(parts):
        if isinstance(part, str) or not part.items:
            result += part if isinstance(part, str) else part.flat
            continue
        column = _column(result, indent)
        follows = _until_break(parts[number + 1 :], tail)
        result += part.flat if _fits(part, column, follows) else _broken(part, indent)
    return result


def width_of(text: str) -> int:
    """Return how many columns a text takes, as ruff and Black count them: 2 for a wide character, 0 for an accent."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _fits(group: Group, column: int, follows: int) -> bool:
    text = group.flat
    if "\n" in text:
        return len(group.items) == 1 and len(group.items[0]) == 1 and isinstance(group.items[0][0], str)
    return column + width_of(text) + follows <= WIDTH


def _column(text: str, indent: int) -> int:
    before, newline, last = text.rpartition("\n")
    return width_of(last) if newline else indent + width_of(last)


def _until_break(parts: t.Sequence[str | Group], tail: int) -> int:
    """Return how many characters follow up to where the line may end."""
    count = 0
    for part in parts:
        if isinstance(part, Group) and part.items:
            return count + 1
        count += width_of(part if isinstance(part, str) else part.flat)
    return count + tail


def _links(parts: Parts) -> list[Parts]:
    """Split a chain of calls before each dot that follows a call."""
    links: list[Parts] = [[]]
    for before, part in zip([None, *parts], parts, strict=False):
        if isinstance(before, Group) and isinstance(part, str) and part.startswith("."):
            links.append([])
        links[-1].append(part)
    return links


def _broken(group: Group, indent: int) -> str:
    inner = indent + 4
    one_line = ", ".join(flat(item) for item in group.items)
    if group.is_call and "\n" not in one_line and inner + width_of(one_line) <= WIDTH:
        lines = [one_line]
    else:
        comma = "," if len(group.items) > 1 or group.is_tuple else ""
        lines = [_render(item, inner, len(comma), is_nested=True) + comma for item in group.items]
    return "\n".join([group.opening, *(" " * inner + line for line in lines), " " * indent + group.closing])


def string(text: str) -> str:
    """Return a literal with double quotes, unless that takes more backslashes."""
    found = _STRING.match(text)
    if found is None:
        return text
    prefix, quote, body = found.groups()
    prefix = prefix.replace("B", "b").replace("u", "").replace("U", "")
    if quote == "'''" and '"' not in body:
        return f'{prefix}"""{body}"""'
    if len(quote) == 3:
        return f"{prefix}{quote}{body}{quote}"
    if "r" in prefix.lower():
        return f'{prefix}"{body}"' if '"' not in body and quote == "'" else f"{prefix}{quote}{body}{quote}"
    plain = re.sub(r"\\(['\"\\])", lambda found: found[0] if found[1] == "\\" else found[1], body)
    wanted = "'" if plain.count('"') > plain.count("'") else '"'
    result = f"{prefix}{wanted}{plain.replace(wanted, chr(92) + wanted)}{wanted}"
    return result if ast.literal_eval(result) == ast.literal_eval(text) else text
