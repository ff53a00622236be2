# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
#
# sentences.py: the sentences of a public header and of a man page, each with the name of what it
# is about. Knows C comments and the mdoc macros that the tree uses, and nothing of lists or tests.
import re

# Not the end of a sentence: initials, short forms, "1 .. 8".
NO_END = re.compile(r"(?:\b[A-Z]|\be\.g|\bi\.e|\bvs|\bal|\.)\.$")


def split(paragraph):
    """The sentences of one paragraph, white space made single."""
    words = paragraph.split()
    sentence = []
    for word in words:
        sentence.append(word)
        if re.search(r"[.!?][)\"]*$", word) and not NO_END.search(word):
            yield " ".join(sentence)
            sentence = []
    if sentence:
        yield " ".join(sentence)


# ---- headers ----

ROW = re.compile(r"^ *[A-Z][A-Z0-9_]+ {2,}\S")  # of a table: a name, and what it means


def paragraphs_of_comment(comment):
    """A list item, a row of a table and an indented figure are paragraphs of their own."""
    lines = [re.sub(r"^[ \t]*\*? ?", "", line) for line in comment.split("\n")]
    paragraph, in_list = [], False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        figure = indent >= 4 and not in_list
        starts = not line.strip() or re.match(r" *- ", line) or ROW.match(line)
        if starts or figure != bool(paragraph and paragraph[-1][1]):
            if paragraph:
                yield " ".join(text for text, _ in paragraph)
            paragraph = []
        in_list = bool(re.match(r" *- ", line) or ROW.match(line)) or (
            in_list and bool(line.strip()) and indent > 0)
        if line.strip():
            paragraph.append((re.sub(r"^- ", "", line.strip()), figure))
    if paragraph:
        yield " ".join(text for text, _ in paragraph)


def declared(code):
    """The name that a piece of C declares first, or an empty string."""
    code = re.sub(r"/\*.*?\*/", " ", code, flags=re.S).strip()
    code = re.sub(r"^(?:#(?!define).*\n|extern \"C\" \{|\}\s*)+", "", code).strip()
    for pattern in (
        r"#define (\w+)",
        r"(?:struct|enum) (\w+) (?:\{|;)",
        r"typedef [^;]*?(\w+);",
        r"[^;{(]*\(\*(\w+)\)\(",
        r"[^;{(]*?(\w+)\(",
        r"[^;{(]*?(\w+)(?:\[[^;]*\])?\s*(?:;|,|=)",
    ):
        match = re.match(pattern, code)
        if match:
            return match.group(1)
    return ""


def enclosing(text, at):
    """The struct or enum around this place, with a dot behind it, or an empty string."""
    opened = None
    for match in re.finditer(r"^(?:struct|enum) (\w+) \{$|^\};", text[:at], flags=re.M):
        opened = match.group(1)
    return opened + "." if opened else ""


def of_header(text):
    """(about, sentence) for each sentence of the comments."""
    for match in re.finditer(r"/\*(.*?)\*/", text, flags=re.S):
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        comment = match.group(1).strip("\n")
        if "SPDX" in comment or "Copyright" in comment or "----" in comment:
            continue
        if line.strip():
            about = declared(line.strip().rstrip(";,{ ") + ";") if "{" not in line else declared(line)
        elif re.match(r"\s*#if", text[match.end() :]):
            about = "the header"
        else:
            about = declared(text[match.end() : match.end() + 1500])
        for paragraph in paragraphs_of_comment(comment):
            for sentence in split(paragraph):
                yield enclosing(text, match.start()) + about, sentence


# ---- man pages ----

INLINE = set("Ar Cm Fl Ic Nm Ns No Op Oo Oc Li Pa Xr Er Dv Em Vt Dq Pq Sx Nd In Va Ql Sq Dl Sy".split())
SKIPPED = {"NAME", "SYNOPSIS", "SEE ALSO", "AUTHORS"}


def plain(macros):
    """The text of a macro's arguments: no spaces round Ns, a dash for Fl, quotes for Dq."""
    out, glue, dash = "", True, False
    for word in re.findall(r'"[^"]*"|\S+', macros):
        if word in INLINE:
            glue = glue or word == "Ns"
            dash = word == "Fl"
            continue
        word = word.strip('"')
        if dash:
            word = "-" + word
            dash = word == "-|"
        tight = glue or word in {".", ",", ":", ";", ")"}
        out += word if tight else " " + word
        glue = word == "("
    return out.replace("\\&", "").replace("\\", "")


def of_man_page(text):
    """(about, sentence) for each sentence of the text."""
    section, item, paragraph, literal = "", "", [], False

    def ended():
        about = f"{section}: {item}" if item else section
        found = [] if section in SKIPPED else [(about, s) for s in split(" ".join(paragraph))]
        paragraph.clear()
        return found

    depth = []
    program = re.search(r"^\.Nm (\S+)", text, flags=re.M).group(1)
    for line in text.split("\n"):
        macro, _, rest = line.partition(" ")
        if macro in (".Bd", ".Ed"):
            yield from ended()
            literal = macro == ".Bd"
        elif literal or line.startswith('.\\"') or macro in (".Dd", ".Dt", ".Os", ".An"):
            continue
        elif macro in (".Sh", ".Ss"):
            yield from ended()
            section, item, depth = (rest if macro == ".Sh" else f"{section.split('/')[0]}/{rest}"), "", []
        elif macro == ".Bl":
            yield from ended()
            depth.append(item)
        elif macro == ".El":
            yield from ended()
            item = depth.pop()
        elif macro == ".It":
            yield from ended()
            item = plain(rest).strip()
        elif macro == ".Pp":
            yield from ended()
        elif macro.startswith("."):
            said = program if line == ".Nm" else plain(f"{macro[1:]} {rest}")
            if said[:1] in ",.;:" and paragraph:
                paragraph[-1] += said
            else:
                paragraph.append(said)
        elif line.strip():
            paragraph.append(line.strip().replace("\\&", ""))
    yield from ended()
