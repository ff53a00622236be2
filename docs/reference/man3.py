#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the libxvmalloc authors
"""man3.py VERSION INCLUDE_DIR OUTPUT_DIR: manual pages of section 3, made from the public headers.

A comment and the calls below it are a page, named after the first of them; the other calls lead to
it. A header is a page too: its model, and its types and constants. Prints the number of pages.

It reads headers as this project writes them: a comment stands above what it describes, and calls
begin with XV_API. A call without a comment is an error.
"""
import re
import sys
from pathlib import Path

COMMENT = re.compile(r"/\*.*?\*/", re.S)
CALL = re.compile(r"XV_API\s[^;]*?\b((?:xv|ramz)_\w+)\s*\([^;]*;", re.S)
# What is in a header: comments at the beginning of a line, calls, and the rest up to either.
PART = re.compile(r"^(?P<comment>/\*.*?\*/)|^(?P<call>XV_API\s[^;]*;)|(?P<rest>.+?)(?=^/\*|^XV_API|\Z)",
                  re.S | re.M)


def words(comment):
    """The lines of a comment without its stars."""
    lines = comment[2:-2].split("\n")
    return [re.sub(r"^ ?\* ?", "", line).rstrip() for line in lines]


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def prose(lines):
    """Paragraphs, points and tables of a comment, as man's macros."""
    out, literal, begun, base = [], False, True, 0
    for line in lines:
        indent = len(line) - len(line.lstrip())
        point = re.match(r"\s*(-|\d+\.|\d:?)\s{1,3}(?=\S)", line)
        if not line.strip():
            if literal:
                out.append(".fi\n.RE")
            literal, begun = False, True
            continue
        if not literal and indent > base + 3 and begun and not point:
            literal = True
            out.append(".RS\n.nf")
        elif not literal and point and (point[1] == "-" or begun or indent <= base):
            base = indent
            mark = "\\(bu" if point[1] == "-" else escaped(point[1])
            out.append(f'.IP "{mark}" {len(point[0].strip()) + 2}')
            line = line[point.end():]
        elif begun and not literal:
            if indent == 0:
                base = 0
            out.append(".PP" if indent == 0 else ".IP")
        out.append(escaped(line if literal else line.strip()))
        begun = False
    if literal:
        out.append(".fi\n.RE")
    return out


def summary(lines):
    """What the NAME line says: the first clause."""
    text = " ".join(line.strip() for line in lines).strip()
    text = re.split(r"\.(?=\s+[A-Z]|$)|[:;,(](?=\s)|\s\(", text)[0].strip()
    return text if text[1:2].isupper() or text.startswith(("xv_", "ramz_")) else text[0].lower() + text[1:]


def page(name, version, sections):
    out = [f'.TH {name} 3 "" "libxvmalloc {version}"']
    for title, lines in sections:
        out += [f".SH {title}", *lines]
    return "\n".join(out) + "\n"


def synopsis(header, declarations):
    lines = [".nf", f"#include <{header}>", ""]
    for text in declarations:
        text = re.sub(r"XV_API\s+|XV_MUST_USE\s+", "", text)
        lines += [escaped(line.replace("\t", "        ")) for line in text.split("\n")]
    return [*lines, ".fi"]


def read_header(text):
    """The model's lines, [(comment's lines, declarations)] of the calls, and the rest."""
    model, groups, rest, comment = None, [], [], None
    for part in PART.finditer(text):
        if part["comment"]:
            if comment is not None and groups and groups[-1][0] is comment:
                comment = None
            if model is None and "SPDX" not in part[0] and "Copyright" not in part[0]:
                model = words(part[0])
                continue
            if comment is not None:
                rest.append(comment)
            comment = part[0]
            if re.match(r"/\* ----|/\* (SPDX|Copyright)", comment):
                comment = None
        elif part["call"]:
            if comment is None:
                raise SystemExit(f"no comment above: {part[0]}")
            if not groups or groups[-1][0] is not comment:
                groups.append((comment, []))
            groups[-1][1].append(part[0])
        elif part[0].strip():
            if comment is not None and not (groups and groups[-1][0] is comment):
                rest.append(comment)
            comment = None
            rest.append(part[0].strip())
    return model, [(words(comment), calls) for comment, calls in groups], rest


def types(rest):
    """The types and constants among the rest of a header."""
    text = "\n".join(rest)
    text = re.sub(r"^#(ifndef|ifdef|endif|include|if|else|elif).*\n?", "", text, flags=re.M)
    text = re.sub(r'^extern "C" \{\n|^\}\n(?=\Z)|^#define \w+_H$\n|^struct \w+;\n', "", text, flags=re.M)
    text = re.sub(r"(?<=[};])\n(?=\S)", "\n\n", re.sub(r"\n{3,}", "\n\n", text.strip()))
    return [escaped(line.replace("\t", "        ")) for line in text.split("\n")]


def main():
    version, include, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    output.mkdir(parents=True, exist_ok=True)
    count = 0
    every = {name for path in include.glob("*/*.h") for name in CALL.findall(path.read_text())}
    for path in sorted(include.glob("*/*.h")):
        header = f"{path.parent.name}/{path.name}"
        overview = header.replace("/", "_")
        model, groups, rest = read_header(path.read_text())
        about = model[1].partition(": ")[2]
        body = [about[0].upper() + about[1:], *model[2:]]
        names = [[CALL.match(call)[1] for call in calls] for _, calls in groups]
        for (lines, calls), group in zip(groups, names):
            said = set(re.findall(r"\b(?:xv|ramz)_\w+", " ".join(lines))) - set(group)
            others = [f".BR {name} (3)," for name in sorted(said & every)]
            text = page(group[0], version, [
                ("NAME", [f"{', '.join(group)} \\- {escaped(summary(lines))}"]),
                ("SYNOPSIS", synopsis(header, calls)),
                ("DESCRIPTION", prose(lines)),
                ("SEE ALSO", [f".BR {overview} (3)" + ("," if others else "")] + others[:-1] +
                 [other.rstrip(",") for other in others[-1:]])])
            (output / f"{group[0]}.3").write_text(text)
            for name in group[1:]:
                (output / f"{name}.3").write_text(f".so man3/{group[0]}.3\n")
            count += len(group)
        calls = [f".BR {name} (3)" for group in names for name in group]
        (output / f"{overview}.3").write_text(page(overview, version, [
            ("NAME", [f"{overview} \\- {escaped(summary(body))}"]),
            ("SYNOPSIS", [".nf", f"#include <{header}>", ".fi"]),
            ("DESCRIPTION", prose(body)),
            ("TYPES AND CONSTANTS", [".nf", *types(rest), ".fi"]),
            ("SEE ALSO", [call + "," for call in calls[:-1]] + calls[-1:] or
             [".BR xvmalloc_pool.h (3)"])]))
        count += 1
    print(f"{count} pages")


main()
