#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""amalgamate.py [--format FORMAT] DIR - writes mmkit as two files: DIR/mmkit.h, the public headers
and the port contract; DIR/mmkit.c, the library. The files come in the order in which they need each
other, each once, as they are: comments and include guards stay. The port's headers are not part of
it: they are found through mmk_port.h on the include path, as ever. FORMAT, x86_64-4 if not said, is
a key of mmkit_formats in src/meson.build: the page-table format.

Beside them, for ports that name a header by itself, one of a few lines for each: DIR/host.h,
DIR/port/cpu.h and so on include DIR/mmkit.h, unless their part of it is there already.

What was separate now shares one file, so:
1 a static, type or constant that two .c files define is renamed to FILE_NAME in each, by a macro
  that lasts as long as the file; so is a static variable whose name another .c file uses otherwise
2 a macro of a .c file ends with it
3 what this cannot cure is an error: a name of (1) that its file also uses for a header's field, an
  include below the first line of code

Run it again for each version of mmkit: the files are products, not sources.

=> exit status 0; 1: something collides; 2: bad usage
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PUBLIC = ROOT / "include"
SRC = ROOT / "src"

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">].*\n', re.M)
NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", re.M)
WORD = re.compile(r"\b[A-Za-z_]\w*\b")
STATIC = re.compile(r"\b(?:static|MMK_ALWAYS_INLINE)\b")
ATTRIBUTE = re.compile(r"\b(?:MMK_[A-Z_]+|__attribute__)\s*\((?:[^()]|\([^()]*\))*\)")
PARAMETERS_LAST = re.compile(r"\)\s*(?:MMK_[A-Z_]+\s*)*$") # then attributes without their own
TAG = re.compile(r"\b(?:struct|union|enum)\s+(?:MMK_\w+(?:\([^)]*\))?\s+)?(\w+)\s*{")


arch = "x86_64" # the folder of src/arch that is part of the product


class Collision(Exception):
    pass


def library_sources():
    """The .c files, from where they are listed: src/meson.build."""
    names = re.findall(r"^    '(\S+\.c)',$", (SRC / "meson.build").read_text(), re.M)
    if not names:
        raise Collision("src/meson.build lists no .c file")
    return [SRC / name for name in names]


def find_format(name):
    """(folder of src/arch, levels)"""
    listed = dict((key, (arch, int(levels))) for key, arch, levels in re.findall(
        r"^    '(\S+)': \['(\S+)', (\d)\],$", (SRC / "meson.build").read_text(), re.M))
    if name not in listed:
        raise Collision(f"there is no format {name}, but {', '.join(listed)}")
    return listed[name]


def resolve(path, kind, name):
    """The file of mmkit that an #include names; None: the compiler's, or the port's."""
    folders = [PUBLIC] if kind == "<" else [path.parent, SRC, SRC / "arch" / arch]
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).resolve()
    if kind == '"' or name.startswith("mmkit/"):
        raise Collision(f"{relative(path)}: includes {name}, which is nowhere")
    return None


def relative(path):
    return path.relative_to(ROOT)


def in_order(path, done):
    """Appends to `done` what `path` includes, then itself."""
    if path in done:
        return
    for kind, name in INCLUDE.findall(path.read_text()):
        other = resolve(path, kind, name)
        if other:
            in_order(other, done)
    done.append(path)


def flatten(path):
    """The file's text without the includes that are part of the same product."""
    def keep(match):
        return "" if resolve(path, *match.groups()) else match.group(0)

    text = INCLUDE.sub(keep, path.read_text())
    text = text.replace("/* SPDX-License-Identifier: MIT */\n", "", 1)
    return f"\n/* ======== {relative(path)} ======== */\n\n{text.lstrip()}"


def code_of(text):
    """The text without comments, strings and, on a line of its own, the preprocessor's."""
    return DIRECTIVE.sub("", NOT_CODE.sub(" ", text))


def declarations(code):
    """What stands at file scope: (head, body), split at its semicolon or after its braces."""
    start = depth = 0
    opened = None
    for at, char in enumerate(code):
        if char in "({[":
            if char == "{" and depth == 0 and opened is None:
                opened = at
            depth += 1
        elif char in ")}]":
            depth -= 1
        function = opened is not None and PARAMETERS_LAST.search(code[start:opened])
        if depth == 0 and (char == ";" or (char == "}" and function)):
            yield code[start:at if opened is None else opened], code[opened or at:at]
            start, opened = at + 1, None


def static_names(code):
    """The names of the static functions and of the static variables at file scope."""
    functions, variables = set(), set()
    for head, body in declarations(code):
        starts = [match.start() for match in STATIC.finditer(head)]
        if not starts:
            continue
        head = head[starts[-1]:] # what stands before may be the uses of a macro
        if body and not (PARAMETERS_LAST.search(head) or head.rstrip().endswith("=")):
            # static struct { ... } name;
            head = re.sub(r"^.*}", "", body, flags=re.S)
        head = ATTRIBUTE.sub(" ", head)
        function = re.search(r"(\w+)\s*\(", head)
        if function:
            functions.add(function.group(1))
            continue
        for declarator in head.split("=")[0].split(","):
            words = WORD.findall(declarator.split("[")[0])
            variables.update(words[-1:])
    return functions, variables


def type_names(code):
    """Tags, typedefs and constants at file scope."""
    names = {name for name in TAG.findall(code) if not name.startswith("MMK_")}
    for head, body in declarations(code):
        if "typedef" in head.split():
            whole = head + body
            pointer = re.findall(r"\(\s*\*\s*(\w+)\s*\)", whole)[:1]
            names.update(pointer or WORD.findall(whole)[-1:])
        elif body and re.fullmatch(r"\s*enum\s*\w*\s*", head):
            constants = body[1:].split("}")[0].split(",")
            names.update(words[0] for words in map(WORD.findall, constants) if words)
    return names


def renamings(files, headers):
    """{path: names of that file's own that would mean something else beside another file}"""
    header_words = set()
    for path in headers:
        header_words.update(WORD.findall(NOT_CODE.sub(" ", path.read_text())))
    words, own, variables = {}, {}, {}
    for path, code in files.items():
        functions, variables[path] = static_names(code)
        words[path] = set(WORD.findall(code))
        own[path] = functions | variables[path] | type_names(code)
    result = {}
    for path, code in files.items():
        others = [other for other in files if other != path]
        clash = own[path] & set().union(*(own[other] for other in others))
        # A local of another file would shadow a variable: compilers warn.
        clash |= variables[path] & set().union(*(words[other] for other in others))
        for name in clash & header_words:
            if re.search(rf"(?:->|\.)\s*{name}\b", code):
                raise Collision(f"{relative(path)}: {name} is also defined in another file, and "
                                "the field of a header's structure: rename it")
        result[path] = sorted(clash)
    return result


def unit(path, renamed):
    """One .c file, with its renamings before and its macros undefined after."""
    text = path.read_text()
    last = max((match.end() for match in INCLUDE.finditer(text)), default=0)
    if code_of(text[:last]).strip() or DEFINE.search(text[:last]):
        raise Collision(f"{relative(path)}: an #include below the first line of code")
    stem = path.stem
    head = "".join(f"#define {name} {stem}_{name}\n" for name in renamed)
    names = list(dict.fromkeys(renamed + DEFINE.findall(text)))
    tail = "".join(f"#undef {name}\n" for name in names)
    text = flatten(path)
    at = text.index("*/\n", text.index("========") + 12) + 3 # below the banner
    return text[:at] + ("\n" + head if head else "") + text[at:] + ("\n" + tail if tail else "")


def top(name):
    licence = "".join(f" * {line}".rstrip() + "\n" for line in
                      (ROOT / "LICENSE").read_text().splitlines())
    return "/* SPDX-License-Identifier: MIT */\n/*\n" \
           f" * {name}, written by tools/amalgamate.py: do not edit.\n *\n{licence} */\n"


def amalgamate(levels):
    """The two texts: (mmkit.h, mmkit.c)."""
    sources = library_sources()
    public, private = [], []
    in_order(PUBLIC / "mmkit" / "mmkit.h", public)
    for header in sorted((PUBLIC / "mmkit").rglob("*.h")):
        in_order(header, public)
    for source in sources:
        in_order(source, private)
    headers = [path for path in private if path.suffix == ".h" and path not in public]
    files = {path: code_of(path.read_text()) for path in sources}
    renamed = renamings(files, public + headers)

    header_text = top("mmkit.h") + "".join(map(flatten, public))
    source_text = top("mmkit.c") + f"#define MMK_PT_LEVELS {levels}\n" + \
        '#include "mmkit.h"\n' + "".join(map(flatten, headers)) + \
        "".join(unit(path, renamed[path]) for path in sources)
    return header_text, source_text


def write_forwarders(folder):
    for header in sorted((PUBLIC / "mmkit").rglob("*.h")):
        name = header.relative_to(PUBLIC / "mmkit")
        if str(name) == "mmkit.h":
            continue
        guard = re.search(r"^#ifndef (\w+)$", header.read_text(), re.M).group(1)
        up = "../" * (len(name.parts) - 1)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("/* SPDX-License-Identifier: MIT */\n"
                          "/* Written by tools/amalgamate.py: a part of mmkit.h. */\n"
                          f'#ifndef {guard}\n#include "{up}mmkit.h"\n#endif\n')


def main():
    global arch
    arguments, name = sys.argv[1:], "x86_64-4"
    if arguments[:1] == ["--format"] and len(arguments) > 1:
        name, arguments = arguments[1], arguments[2:]
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        arch, levels = find_format(name)
        header, source = amalgamate(levels)
    except Collision as error:
        print(f"amalgamate.py: {error}", file=sys.stderr)
        return 1
    folder = pathlib.Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mmkit.h").write_text(header)
    (folder / "mmkit.c").write_text(source)
    write_forwarders(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
