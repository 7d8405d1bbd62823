#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a program on an X display and a session bus of its own, and looks at it until all wanted words
are among the names of its widgets; says “ready” when the first is. Leaves a picture of the screen, and
prints JSON: whether all were found, the names, and how many values the picture's bytes have.

look.py SECONDS PICTURE WORD… -- COMMAND…
"""
import json
import os
import subprocess
import sys
import time

import gi

gi.require_version("Atspi", "2.0")
gi.require_version("Gdk", "3.0")

DEPTH = 40


def on_display():
    """Starts the X server and runs this script again on it and on a session bus."""
    server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-screen", "0", "1000x700x24", "-nolisten", "tcp"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    display = ":" + server.stdout.readline().strip()
    environment = dict(os.environ, DISPLAY=display, LOOK_INSIDE="1")
    try:
        return subprocess.run(["dbus-run-session", "--", sys.executable, *sys.argv], env=environment,
                              check=False).returncode
    finally:
        server.terminate()
        server.wait()


def names(node, depth=0):
    """Of a widget and those in it, with the text that they hold."""
    try:
        yield node.get_name() or ""
        yield node.get_role_name()
        if depth < DEPTH:
            for index in range(min(node.get_child_count(), 200)):
                child = node.get_child_at_index(index)
                if child is not None:
                    yield from names(child, depth + 1)
    except gi.repository.GLib.Error:
        return  # it went meanwhile


def take_picture(path):
    from gi.repository import Gdk

    window = Gdk.get_default_root_window()
    picture = Gdk.pixbuf_get_from_window(window, 0, 0, window.get_width(), window.get_height())
    picture.savev(path, "png", [], [])
    return len(set(picture.get_pixels()))  # a blank screen has one


def look(seconds, picture, words, command):
    from gi.repository import Atspi

    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    ready = False
    while True:
        time.sleep(0.3)
        shown = sorted({name for name in names(Atspi.get_desktop(0)) if name})
        found = all(word in shown for word in words)
        if not ready and words[0] in shown:
            ready = True
            print("ready", file=sys.stderr, flush=True)
        if found or time.monotonic() > deadline or program.poll() is not None:
            break
    time.sleep(0.5)  # it has a name before it is painted
    values = take_picture(picture)
    program.kill()
    program.wait()
    print(json.dumps({"found": found, "names": shown, "values": values}))


def main():
    if "LOOK_INSIDE" not in os.environ:
        return on_display()
    split = sys.argv.index("--")
    look(float(sys.argv[1]), sys.argv[2], sys.argv[3:split], sys.argv[split + 1:])
    return 0


sys.exit(main())
