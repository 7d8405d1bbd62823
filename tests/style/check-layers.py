#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of the house that no compiler knows: who may use what, and what every file says.

Prints each breach as FILE:LINE: what is wrong; exits with 1 where there is one. With `--self-test`
it checks that each rule finds a breach that was made for it.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree

from source_files import ROOT, source_files

C = (".c", ".h")

# (what, pattern, files that may have it); files are regular expressions on the path.
SOLE_USERS = [
    ("GnuTLS", r"#\s*include\s*<gnutls/", r"src/(pki|tunnel)/"),
    ("GnuTLS sessions", r"\bgnutls_(init|handshake|record_|bye|session_)", r"src/tunnel/"),
    ("polkit", r"org[./]freedesktop[./]PolicyKit1\b", r"src/authority/"),
    ("pairs of terminals", r"\b(posix_openpt|openpty|TIOCSCTTY|TIOCGPTPEER)\b",
     r"src/(relay/|guest/shell-main\.c$)"),
    (
        "netlink and TAPs",
        r"#\s*include\s*<(netlink/|linux/(rtnetlink|netlink|if_tun|if_link|veth)\.h)",
        r"src/(host|guest|launch)/link\.c$",
    ),
    (
        "systemd's manager",
        r"systemd1\.Manager|/org/freedesktop/systemd1|\"org\.freedesktop\.systemd1\"",
        r"src/host/units\.[ch]$",
    ),
]

# What layers without input and output may not even name (the compiler sees to our own headers).
NO_IO = (r"src/(wire|monitor)/", r"#\s*include\s*<(sys/socket\.h|poll\.h|systemd/)")

LICENSE = "SPDX-License-Identifier: LGPL-2.1-or-later"
LICENSED_SUFFIXES = C + (".py", ".xml", ".build", ".rules", ".policy", ".bash")
LICENSED_NAMES = ("meson_options.txt",)
FIRST_LINES = 3  # a line of #! or <?xml may stand before it

DOCUMENTED = ("interface", "method", "signal", "property")


def check_lines(path, lines):
    """Rules for each line of a C file under src/ and client/."""
    for number, line in enumerate(lines, 1):
        if re.search(r'#\s*include\s*"\.\./', line):
            yield number, "an include climbs out of its folder"
        for what, pattern, users in SOLE_USERS:
            if re.search(pattern, line) and not re.match(users, path):
                yield number, f"{what} may be used in {users} only"
        if re.match(NO_IO[0], path) and re.search(NO_IO[1], line):
            yield number, "this layer does no input or output"


def check_license(path, lines, executable):
    if not (path.endswith(LICENSED_SUFFIXES) or path.endswith(LICENSED_NAMES) or executable):
        return
    if not any(LICENSE in line for line in lines[:FIRST_LINES]):
        yield 1, f"the line “{LICENSE}” is missing"


def check_subject(path, lines):
    """The second line of a C file says what the file is about."""
    if len(lines) < 2 or not re.match(r"/\* \S", lines[1]):
        yield 2, "the line that says the file's subject is missing"


def documented_elements(node):
    """Each element of an introspection file with the comment that stands before it, or ''."""
    comment = ""
    for child in node:
        if child.tag is ElementTree.Comment:
            comment = child.text or ""
        else:
            yield child, comment
            if child.tag in ("node", "interface"):
                yield from documented_elements(child)
            comment = ""


def check_introspection(text):
    """Every interface, method, signal and property has a comment that names it and its arguments."""
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    for element, comment in documented_elements(ElementTree.fromstring(text, parser)):
        if element.tag not in DOCUMENTED:
            continue
        name = element.get("name", "")
        what = f"{element.tag} {name}"
        line = text[: text.find(f'name="{name}"')].count("\n") + 1
        start, _, rest = comment.strip().partition(":")

        if start != name:
            yield line, f"{what} has no comment that starts with “{name}:”"
            continue
        for argument in element.findall("arg"):
            if not re.search(rf"^\s*@{re.escape(argument.get('name', '?'))}: \S", rest, re.M):
                yield line, f"{what} does not say what @{argument.get('name')} is"
        if not [text for text in rest.splitlines() if re.match(r"\s*[^@\s]", text)]:
            yield line, f"{what} has no description"


def check_file(path):
    """All breaches in the file at `path`, relative to ROOT."""
    file = ROOT / path
    name = str(path)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # corpora and images
    lines = text.splitlines()

    yield from check_license(name, lines, text.startswith("#!"))
    if path.suffix in C:
        yield from check_subject(name, lines)
    if path.suffix in C and name.startswith(("src/", "client/")):
        yield from check_lines(name, lines)
    if name.startswith("introspection/") and path.suffix == ".xml":
        yield from check_introspection(text)


def self_test():
    """A check that cannot fail is none: each rule must find what was made for it."""
    cases = [
        ("src/bridge/a.c", "#include <gnutls/gnutls.h>"),
        ("src/pki/a.c", "gnutls_handshake (session);"),
        ("src/bridge/a.c", '"org.freedesktop.PolicyKit1"'),
        ("client/a.c", '"/org/freedesktop/PolicyKit1/Authority"'),
        ("src/guest/a.c", "master = posix_openpt (O_RDWR);"),
        ("src/host/machine.c", "#include <netlink/route/link.h>"),
        ("src/bridge/link.c", "#include <linux/if_tun.h>"),
        ("src/host/machine.c", '"org.freedesktop.systemd1"'),
        ("src/host/a.c", '#include "../wire/message.h"'),
        ("src/wire/a.c", "#include <sys/socket.h>"),
        ("src/monitor/a.c", "#include <systemd/sd-bus.h>"),
    ]
    for path, line in cases:
        assert list(check_lines(path, [line])), f"not found: {path}: {line}"

    for path, line in [
        ("src/tunnel/a.c", "#include <gnutls/gnutls.h>"),
        ("src/authority/a.c", '"org.freedesktop.PolicyKit1"'),
        ("src/guest/link.c", "#include <netlink/route/link.h>"),
        ("src/launch/link.c", "#include <netlink/route/link.h>"),
        ("src/host/units.c", '"org.freedesktop.systemd1"'),
        ("src/wire/a.c", "#include <string.h>"),
        ("src/relay/a.c", "master = posix_openpt (O_RDWR);"),
    ]:
        assert not list(check_lines(path, [line])), f"wrongly found: {path}: {line}"

    assert list(check_license("a.c", ["/* nothing */"], False))
    assert list(check_license("tool", ["#!/bin/sh", ""], True))
    assert not list(check_license("tool", ["#!/bin/sh", f"# {LICENSE}"], True))
    assert list(check_subject("a.c", [f"/* {LICENSE} */", "#include <a.h>"]))

    method = '<interface name="a.B"><method name="C"><arg name="d"/></method></interface>'
    interface = "<!--\n a.B:\n @short_description: x\n\n Text.\n-->"
    for comments, breaches in [
        (("", ""), 2),
        ((interface, ""), 1),
        ((interface, "<!--\n C:\n Text.\n-->"), 1),
        ((interface, "<!--\n C:\n @d: what\n-->"), 1),
        ((interface, "<!--\n C:\n @d: what\n\n Text.\n-->"), 0),
    ]:
        text = f"<node>{comments[0]}{method.replace('<method', comments[1] + '<method')}</node>"
        assert len(list(check_introspection(text))) == breaches, text


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0

    files = source_files()
    breaches = 0
    for path in files:
        for number, what in check_file(path):
            print(f"{path}:{number}: {what}")
            breaches += 1
    print(f"{len(files)} files, {breaches} breaches")
    return 1 if breaches or not files else 0


sys.exit(main())
