# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""The small changes that can be made to a C source.

Owns: a scanner for C's tokens, and for each kind of change the places where it can be made.
Knows no build and no test: text in, changes out. O(length of the text).

Changes are made inside the bodies of functions only, not in comments, strings, preprocessor
lines, declarations, assertions or probes, and never move a line.
"""

import re
from collections import Counter, namedtuple

# Replace text[start:end] by new. place: where that is, in words that stay when other lines change.
Change = namedtuple("Change", "path kind start end new place")

Token = namedtuple("Token", "type text start end")

KINDS = ("comparison", "off by one", "dropped update", "dropped check", "swapped arguments",
         "removed lock")

SCANNER = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
  | (?P<string>L?"(?:\\.|[^"\\])*"|L?'(?:\\.|[^'\\])*')
  | (?P<number>\.?[0-9](?:[eEpP][+-]|[0-9a-zA-Z_.])*)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<mark><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.X | re.S | re.M)

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
ASSERTIONS = {"XVI_ASSERT", "RZI_ASSERT", "RZN_ASSERT", "static_assert", "_Static_assert",
              "assert", "XVI_PROBE2", "XVI_PROBE3", "XVI_PROBE4", "sizeof", "offsetof", "_Alignof", "va_arg"}
KEYWORDS = {"if", "while", "for", "switch", "return", "sizeof", "do", "else", "case", "default",
            "goto", "break", "continue"}
CONSTANT = r"[A-Z][A-Z0-9_]{2,}"
PAIRS = {"(": ")", "[": "]", "{": "}"}

# What takes or gives back a lock.
LOCKS = re.compile(r"(?:^|_)(?:un)?lock(?:_|$)|(?:^|_)(?:enter|leave|acquire|release|signal|"
                   r"broadcast|protect|unprotect)(?:_|$)")
# Other calls that are named so, but free memory or pages.
NO_LOCKS = re.compile(r"page_release|meta_release|provider_release|backing_release|file_release|"
                      r"dedup_release|lock_init|lock_fini|lock_destroy|mutex_init|mutex_destroy")


def scan(text):
    """The tokens of a source."""
    return [Token(m.lastgroup, m.group(), m.start(), m.end())
            for m in SCANNER.finditer(text) if m.lastgroup != "skip"]


class Source:
    """A source, its tokens and which of them belong together."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.tokens = scan(text)
        self.match = {}
        open_at = []
        for i, token in enumerate(self.tokens):
            if token.text in PAIRS and token.type == "mark":
                open_at.append(i)
            elif token.text in PAIRS.values() and token.type == "mark" and open_at:
                self.match[open_at[-1]] = i
                self.match[i] = open_at.pop()
        self.inside = self._function_bodies()
        self.places = self._places()

    def _places(self):
        """(where the line begins, its text, how many equal ones come before it), of each line."""
        found = []
        seen = Counter()
        start = 0
        for line in self.text.splitlines(True):
            found.append((start, line.strip(), seen[line.strip()]))
            seen[line.strip()] += 1
            start += len(line)
        return found

    def _place(self, at):
        start, line, before = self.places[self.text.count("\n", 0, at)]
        column = at - start - self.text[start:at].find(line[:1])
        return f"{line}@{column}#{before}"

    def _function_bodies(self):
        """For each token, whether it may be changed."""
        inside = [False] * len(self.tokens)
        i = 0
        while i < len(self.tokens):
            token = self.tokens[i]
            if token.text == "{":
                end = self.match.get(i, len(self.tokens) - 1)
                if i > 0 and self.tokens[i - 1].text == ")":
                    for k in range(i + 1, end):
                        inside[k] = True
                i = end
            i += 1
        for i, token in enumerate(self.tokens):
            if token.text in ASSERTIONS and self.is_mark(i + 1, "("):
                for k in range(i, self.match[i + 1] + 1):
                    inside[k] = False
        return inside

    def is_mark(self, i, text):
        return 0 <= i < len(self.tokens) and self.tokens[i].text == text

    def text_of(self, first, last):
        """The text from token `first` to token `last`, both included."""
        return self.text[self.tokens[first].start:self.tokens[last].end]

    def change(self, kind, first, last, new):
        start = self.tokens[first].start
        return Change(self.path, kind, start, self.tokens[last].end, new, self._place(start))

    def drop(self, kind, first, last):
        """Replace whole statements by an empty one; the lines stay where they are."""
        return self.change(kind, first, last,
                           ";" + "\n" * self.text_of(first, last).count("\n"))

    def statement_starts(self):
        """The first token of each statement that is not a declaration, as far as one sees."""
        for i, token in enumerate(self.tokens):
            if not self.inside[i] or token.text in KEYWORDS or token.text in ("[", "{"):
                continue
            before = self.tokens[i - 1].text
            if before == ")":
                head = self.match.get(i - 1, 0) - 1
                if self.tokens[head].text not in ("if", "while", "for"):
                    continue
            elif before not in (";", "{", "}", "else", "do", ":"):
                continue
            if before == "{" and self._is_initializer(i - 1):
                continue
            if before == ";" and self._in_parentheses(i):
                continue
            yield i

    def _is_initializer(self, brace):
        return self.tokens[brace - 1].text in ("=", ",", "(", "{", ")") and \
            not (self.tokens[brace - 1].text == ")" and self.inside[brace])

    def _in_parentheses(self, i):
        """Whether the token is in the head of a for."""
        depth = 0
        for k in range(i - 1, max(i - 60, 0), -1):
            text = self.tokens[k].text
            if text == ")":
                depth += 1
            elif text == "(":
                if depth == 0:
                    return True
                depth -= 1
            elif text in "{}":
                return False
        return False

    def statement_end(self, i):
        """The semicolon that ends the statement which begins at token i."""
        while i < len(self.tokens) and self.tokens[i].text != ";":
            i = self.match.get(i, i) + 1 if self.tokens[i].text in PAIRS else i + 1
        return i


# ---- the kinds ----


def comparisons(source):
    for i, token in enumerate(source.tokens):
        if source.inside[i] and token.text in COMPARISONS:
            yield source.change("comparison", i, i, COMPARISONS[token.text])


def number_beside(text, by):
    """A number's text with `by` added, or None."""
    match = re.fullmatch(r"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)", text)
    if not match or (text.startswith("0") and not match.group(1).lower().startswith("0x")
                     and len(match.group(1)) > 1):
        return None
    value = int(match.group(1), 0) + by
    if value < 0:
        return None
    return (hex(value) if "x" in text.lower() else str(value)) + match.group(2)


def offs_by_one(source):
    for i, token in enumerate(source.tokens):
        before = (source.tokens[i - 1].text, source.tokens[i - 2].text)
        if not source.inside[i] or "case" in before:
            continue
        if token.type == "number":
            for by in (1, -1):
                new = number_beside(token.text, by)
                if new is not None:
                    yield source.change("off by one", i, i, new)
        elif token.type == "name" and re.fullmatch(CONSTANT, token.text) and \
                not source.is_mark(i + 1, "(") and not re.match(r"PRI|memory_order", token.text):
            for by in ("+ 1", "- 1"):
                yield source.change("off by one", i, i, f"({token.text} {by})")
        elif token.text in ("<", "<=", ">", ">=") and source.tokens[i + 1].type == "name":
            # A bound that is a variable; what follows it is not looked at.
            if re.fullmatch(CONSTANT, source.tokens[i + 1].text):
                continue
            end = i + 1
            while source.tokens[end + 1].text in ("->", ".", "[", "("):
                step = source.tokens[end + 1].text
                end = source.match[end + 1] if step in "[(" else end + 2
            if source.tokens[end + 1].text not in ("*", "/", "%", "<<", ">>", "-", "+", "|"):
                for by in ("+ 1", "- 1"):
                    yield source.change("off by one", i + 1, end,
                                        f"({source.text_of(i + 1, end)} {by})")


def is_update(source, first, last):
    """Whether tokens first to last are an assignment, a step, or a call without a result."""
    tokens = source.tokens
    texts = [token.text for token in tokens[first:last]]
    if not texts or (tokens[first].type != "name" and texts[0] not in ("*", "++", "--", "(")):
        return False
    if "++" in texts[:1] + texts[-1:] or "--" in texts[:1] + texts[-1:]:
        return True
    if texts[0] == "(":
        return texts[:3] == ["(", "void", ")"] and source.is_mark(last - 1, ")")
    i = first
    while i < last:
        text = tokens[i].text
        if text in ASSIGNMENTS:
            return True
        if text == "(":
            if source.match[i] + 1 == last:
                return True
            i = source.match[i]
        elif text == "[":
            i = source.match[i]
        elif tokens[i].type == "name" and i > first and tokens[i - 1].type == "name":
            return False  # two names: a declaration
        elif text == "*" and i > first:
            return False  # a pointer's declaration
        i += 1
    return False


def called_lock(source, first, last):
    """The name of the call if the statement is one that takes or gives back a lock."""
    if source.is_mark(first, "("):
        first += 3  # (void)
    name = source.tokens[first].text
    if source.is_mark(first + 1, "(") and source.match[first + 1] + 1 == last and \
            LOCKS.search(name) and not NO_LOCKS.search(name):
        return name
    return None


def dropped_updates(source):
    for i in source.statement_starts():
        end = source.statement_end(i)
        if is_update(source, i, end) and source.tokens[i].text not in ASSERTIONS and \
                not called_lock(source, i, end):
            yield source.drop("dropped update", i, end)


def dropped_checks(source):
    for i, token in enumerate(source.tokens):
        if token.text != "if" or not source.inside[i] or not source.is_mark(i + 1, "("):
            continue
        close = source.match[i + 1]
        condition = source.text_of(i + 2, close - 1)
        # The condition's own effects stay.
        yield source.change("dropped check", i + 2, close - 1, f"({condition}) && 0")
        yield source.change("dropped check", i + 2, close - 1, f"({condition}) || 1")


def arguments(source, open_at):
    """The first and last tokens of each argument of a call."""
    close = source.match[open_at]
    start = open_at + 1
    i = start
    while i < close:
        if source.tokens[i].text in PAIRS:
            i = source.match[i]
        elif source.tokens[i].text == ",":
            yield start, i - 1
            start = i + 1
        i += 1
    if start < close:
        yield start, close - 1


def swapped_arguments(source):
    for i, token in enumerate(source.tokens):
        if token.type != "name" or not source.inside[i] or token.text in KEYWORDS or \
                not source.is_mark(i + 1, "("):
            continue
        parts = list(arguments(source, i + 1))
        for (first, last), (first2, last2) in zip(parts, parts[1:]):
            one, two = source.text_of(first, last), source.text_of(first2, last2)
            if one != two:
                between = source.text[source.tokens[last].end:source.tokens[first2].start]
                yield source.change("swapped arguments", first, last2, two + between + one)


def removed_locks(source):
    calls = []
    for i in source.statement_starts():
        end = source.statement_end(i)
        if called_lock(source, i, end):
            yield source.drop("removed lock", i, end)
            calls.append((i, end))
    # The pair: a lock and the next unlock of the same function.
    for (first, end), (first2, end2) in zip(calls, calls[1:]):
        name, name2 = called_lock(source, first, end), called_lock(source, first2, end2)
        between = source.text_of(end + 1, first2 - 1) if end + 1 < first2 else ""
        if re.search(r"unlock|leave|release", name2) and \
                not re.search(r"unlock|leave|release", name) and "\n}" not in between:
            text = source.drop("removed lock", first, end).new + \
                source.text[source.tokens[end].end:source.tokens[first2].start] + \
                source.drop("removed lock", first2, end2).new
            yield source.change("removed lock", first, end2, text)
    for i, token in enumerate(source.tokens):
        if not source.inside[i]:
            continue
        if re.fullmatch(r"memory_order_(acquire|release|acq_rel|seq_cst)", token.text):
            yield source.change("removed lock", i, i, "memory_order_relaxed")
        elif re.fullmatch(r"xvi_atomic\w*_(load_acquire|store_release)", token.text):
            yield source.change("removed lock", i, i,
                                re.sub("_acquire|_release", "", token.text))
        elif token.text in ("atomic_load", "atomic_store", "atomic_exchange",
                            "atomic_fetch_add", "atomic_fetch_sub"):
            close = source.match[i + 1]
            yield source.change("removed lock", i, close, token.text + "_explicit(" +
                                source.text_of(i + 2, close - 1) + ", memory_order_relaxed)")


GENERATORS = (comparisons, offs_by_one, dropped_updates, dropped_checks, swapped_arguments,
              removed_locks)


def changes(path, text):
    """All changes of a source, kind by kind."""
    source = Source(path, text)
    return [change for generate in GENERATORS for change in generate(source)]


def name_of(change):
    """What stays the same when other lines of the source change."""
    return change.path, change.kind, change.place, change.new


def apply(text, change):
    return text[:change.start] + change.new + text[change.end:]


def line_of(text, change):
    return text.count("\n", 0, change.start) + 1
