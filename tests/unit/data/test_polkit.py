#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The polkit rules, run by the JavaScript engine that Debian's polkitd uses, and the actions.

The arguments are data/polkit-1 and the source file with the table of actions.
"""
import ctypes
import ctypes.util
import json
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

DIRECTORY = Path(sys.argv.pop(1))
SOURCES = Path(sys.argv.pop(1))

# What polkitd offers to rules, as far as ours use it.
PRELUDE = """
var polkit = { Result: { NOT_HANDLED: null, YES: "yes", NO: "no" }, rules: [],
               addRule: function (rule) { this.rules.push(rule); } };
function decide (id, details, user) {
  var action = { id: id, lookup: function (key) { return details[key]; } };
  for (var i = 0; i < polkit.rules.length; i++) {
    var result = polkit.rules[i](action, { user: user });
    if (result !== null && result !== undefined)
      return result;
  }
  return "not handled";
}
"""

UNITS = "org.freedesktop.systemd1.manage-units"

HOST_TABLE = [
    # user, action, unit, verb, answer
    ("tombolo", UNITS, "tombolo-machine@lab.service", "stop", "yes"),
    ("tombolo", UNITS, "tombolo-machine@lab.socket", "start", "yes"),
    ("tombolo", UNITS, "tombolo-container@team:web-1.x.service", "start", "yes"),
    ("tombolo", UNITS, "tombolo-bridge@0.service", "restart", "yes"),
    ("tombolo", UNITS, "tombolo-bridge@lab.service", "kill", "yes"),
    ("tombolo", UNITS, "tombolo-bridge@lab.service", "reset-failed", "yes"),
    ("tombolo", UNITS, "tombolo-bridge@lab.service", "ref", "yes"),
    ("tombolo", UNITS, "tombolo-bridge@" + "a" * 128 + ".service", "start", "yes"),
    # Verbs that are root.
    ("tombolo", UNITS, "tombolo-machine@lab.service", "set-property", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service", "bind-mount", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service", "mount-image", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service", "reload", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service", "", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service", None, "no"),
    ("tombolo", UNITS, None, "start", "no"),
    ("tombolo", UNITS, None, None, "no"),  # StartTransientUnit in systemd 252
    # Units that are not machines'.
    ("tombolo", UNITS, "tombolod.service", "stop", "no"),
    ("tombolo", UNITS, "tombolo-network.service", "stop", "no"),
    ("tombolo", UNITS, "ssh.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@Lab.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@-lab.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@.host.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@a/b.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@a@b.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@a\\x2db.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.service\n", "start", "no"),
    ("tombolo", UNITS, "\ntombolo-machine@lab.service", "start", "no"),
    ("tombolo", UNITS, "x-tombolo-machine@lab.service", "start", "no"),
    # Without a template the name could be a transient unit's, which is root.
    ("tombolo", UNITS, "tombolo-container@lab.socket", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.mount", "start", "no"),
    ("tombolo", UNITS, "tombolo-machine@lab.timer", "start", "no"),
    ("tombolo", UNITS, "tombolo-router@lab.service", "start", "no"),
    ("tombolo", UNITS, "tombolo-bridge@" + "a" * 129 + ".service", "start", "no"),
    # Other actions of systemd, and of others.
    ("tombolo", "org.freedesktop.systemd1.manage-unit-files", None, None, "no"),
    ("tombolo", "org.freedesktop.systemd1.reload-daemon", None, None, "no"),
    ("tombolo", "org.freedesktop.systemd1.set-environment", None, None, "no"),
    ("tombolo", "org.freedesktop.systemd1.anything-new", "tombolo-machine@lab.service", "start",
     "no"),
    ("tombolo", "org.freedesktop.login1.power-off", None, None, "not handled"),
    # Other users.
    ("tombolo-bridge", UNITS, "tombolo-machine@lab.service", "stop", "not handled"),
    ("operator", UNITS, "tombolo-machine@lab.service", "stop", "not handled"),
    ("root", UNITS, "ssh.service", "stop", "not handled"),
]

GUEST_TABLE = [
    ("tombolo-guest", UNITS, "ssh.service", "stop", "no"),
    ("tombolo-guest", UNITS, None, None, "no"),
    ("tombolo-guest", "org.freedesktop.systemd1.reload-daemon", None, None, "no"),
    ("tombolo-guest", "org.freedesktop.hostname1.set-hostname", None, None, "not handled"),
    ("someone", UNITS, "ssh.service", "stop", "not handled"),
]


class Engine:
    """A Duktape heap with one rules file in it."""

    def __init__(self, library, rules):
        self.library = library
        library.duk_create_heap.restype = ctypes.c_void_p
        library.duk_create_heap.argtypes = [ctypes.c_void_p] * 5
        library.duk_eval_raw.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t,
                                         ctypes.c_uint]
        library.duk_safe_to_lstring.restype = ctypes.c_char_p
        library.duk_safe_to_lstring.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
        library.duk_destroy_heap.argtypes = [ctypes.c_void_p]
        library.duk_pop.argtypes = [ctypes.c_void_p]
        self.heap = library.duk_create_heap(None, None, None, None, None)
        self.evaluate(PRELUDE)
        self.evaluate(rules)

    def evaluate(self, text):
        # The flags of duk_peval_string(): evaluate, safely, length by strlen, no file name.
        flags = (1 << 3) | (1 << 7) | (1 << 9) | (1 << 10) | (1 << 11)
        failed = self.library.duk_eval_raw(self.heap, text.encode(), 0, flags)
        answer = self.library.duk_safe_to_lstring(self.heap, -1, None).decode()
        self.library.duk_pop(self.heap)
        if failed:
            raise AssertionError(answer)
        return answer

    def close(self):
        self.library.duk_destroy_heap(self.heap)


def find_engine():
    for name in ("libduktape.so.207", "libduktape.so.206", ctypes.util.find_library("duktape")):
        try:
            return ctypes.CDLL(name) if name else None
        except OSError:
            continue
    return None


class Rules(unittest.TestCase):
    def check(self, file, table):
        library = find_engine()
        if library is None:
            self.skipTest("libduktape is not installed")
        engine = Engine(library, (DIRECTORY / file).read_text())
        try:
            for user, action, unit, verb, answer in table:
                details = {key: value for key, value in (("unit", unit), ("verb", verb))
                           if value is not None}
                with self.subTest(user=user, action=action, unit=unit, verb=verb):
                    self.assertEqual(engine.evaluate(
                        f"decide ({json.dumps(action)}, {json.dumps(details)}, {json.dumps(user)})"),
                        answer)
        finally:
            engine.close()

    def test_host(self):
        self.check("10-tombolo.rules", HOST_TABLE)

    def test_guest(self):
        self.check("10-tombolo-guest.rules", GUEST_TABLE)


class Actions(unittest.TestCase):
    def setUp(self):
        root = ElementTree.parse(DIRECTORY / "org.tombolo.Host1.policy.in").getroot()
        self.actions = {action.get("id"): action for action in root.findall("action")}

    def test_owners(self):
        """Without the annotation polkitd answers nobody but root about somebody else."""
        for name, action in self.actions.items():
            owners = [note.text for note in action.findall("annotate")
                      if note.get("key") == "org.freedesktop.policykit.owner"]
            self.assertEqual(owners, ["unix-user:tombolo unix-user:tombolo-bridge"], name)

    def test_defaults(self):
        """Nobody may anything without an administrator's word."""
        for name, action in self.actions.items():
            for default in action.find("defaults"):
                self.assertIn(default.text, ("auth_admin", "auth_admin_keep"), name)
            self.assertEqual({default.tag for default in action.find("defaults")},
                             {"allow_any", "allow_inactive", "allow_active"}, name)

    def test_every_action_that_the_programs_check_is_there(self):
        used = set()
        for file in SOURCES.glob("*/*.[ch]"):
            used |= set(re.findall(r'"(org\.tombolo\.Host1\.[a-z]+(?:-[a-z]+)*)"',
                                   file.read_text()))
        self.assertLessEqual(used, set(self.actions))


if __name__ == "__main__":
    unittest.main(verbosity=2)
