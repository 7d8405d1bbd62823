#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A caller on the host that passes and gets file descriptors.

cargo.py alias|socket WHAT [ARGUMENT…]
By way of the alias on the host's bus, or on the machine's bus socket. Prints JSON; an error of D-Bus is
{"error": name, "message": text}. With `wait` in its name it says “ready” on standard error and goes on
when a line comes on standard input.
"""
import errno
import fcntl
import hashlib
import json
import os
import pty
import select
import signal
import socket
import struct
import sys
import termios
import threading
import time

from gi.repository import Gio, GLib

NAME = "org.tombolo.Test1.Cargo"
PATH = "/org/tombolo/Test1/Cargo"
MACHINE = "work"
BLOCK = bytes((i * 31 + (i >> 8) * 17) & 0xFF for i in range(64 * 1024))
PATIENCE = 60


class Refused(Exception):
    pass


class Cargo:
    def __init__(self, way):
        if way == "alias":
            self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, None)
            self.name = f"org.tombolo.Guest1.{MACHINE}.{NAME}"
        else:
            self.bus = Gio.DBusConnection.new_for_address_sync(
                f"unix:path=/run/tombolo/bus/{MACHINE}",
                Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
                | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
            self.name = NAME

    def call(self, member, signature="()", arguments=(), fds=()):
        """The reply's values and its descriptors."""
        passed = Gio.UnixFDList.new()
        for fd in fds:
            passed.append(fd)
        try:
            reply, got = self.bus.call_with_unix_fd_list_sync(
                self.name, PATH, NAME, member, GLib.Variant(signature, arguments), None,
                Gio.DBusCallFlags.NONE, PATIENCE * 1000, passed, None)
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error)
            message = error.message.removeprefix(f"GDBus.Error:{name}: ")
            raise Refused({"error": name, "message": message}) from error
        return reply.unpack(), (got.steal_fds() if got else [])


def read_all(fd):
    data = b""
    while chunk := os.read(fd, 65536):
        data += chunk
    return data


def pattern_digest(size):
    digest = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        digest.update(BLOCK)
    digest.update(BLOCK[:size % len(BLOCK)])
    return digest.hexdigest()


def wait():
    print("ready", file=sys.stderr, flush=True)
    sys.stdin.readline()


def tell(cargo):
    _, fds = cargo.call("Tell")
    return {"text": read_all(fds[0]).decode()}


def fill(cargo, size):
    """The guest writes into our pipe."""
    size = int(size)
    read, write = os.pipe()
    begin = time.monotonic()
    cargo.call("Fill", "(ht)", (0, size), [write])
    os.close(write)
    digest, got = hashlib.sha256(), 0
    while chunk := os.read(read, 1 << 20):
        digest.update(chunk)
        got += len(chunk)
    return {"size": got, "same": digest.hexdigest() == pattern_digest(size),
            "seconds": time.monotonic() - begin}


def drain(cargo, size):
    """The guest reads our pipe."""
    size = int(size)
    read, write = os.pipe()

    def produce():
        rest = size
        while rest > 0:
            rest -= os.write(write, BLOCK[size - rest & 0xFFFF:][:rest])
        os.close(write)

    thread = threading.Thread(target=produce)
    thread.start()
    (got, digest), _ = cargo.call("Drain", "(h)", (0,), [read])
    thread.join()
    return {"size": got, "same": digest == pattern_digest(size)}


def echo(cargo):
    """A socket whose one direction ends before the other."""
    near, far = socket.socketpair()
    cargo.call("Echo", "(h)", (0,), [far.fileno()])
    far.close()
    near.sendall(b"hello, island")
    heard = near.recv(100)
    near.sendall(BLOCK)
    near.shutdown(socket.SHUT_WR)
    while chunk := near.recv(65536):
        heard += chunk
    return {"same": heard == b"hello, island" + BLOCK + b"end"}


def expect(fd, text, seconds=20):
    """Reads until `text` has come; returns all that was read."""
    seen, deadline = b"", time.monotonic() + seconds
    while text.encode() not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([fd], [], [], 0.5)[0]:
            seen += os.read(fd, 4096)
    return seen.decode()


def set_window(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def get_window(fd):
    return struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))[:2]


def shell(cargo):
    """We get a terminal of the guest's."""
    _, fds = cargo.call("Shell")
    master = fds[0]
    said = {"terminal": os.isatty(master)}
    os.write(master, b"echo $((6 * 7))\n")
    text = expect(master, "42\r\n")
    said["echoes"] = text.count("echo $((6 * 7))")
    set_window(master, 33, 111)
    # The shell hears of the window without a key being touched.
    os.write(master, b"trap 'echo it is $(stty size)' WINCH; echo wait''ing\n")
    expect(master, "waiting\r\n")
    time.sleep(0.5)
    set_window(master, 44, 122)
    os.write(master, b":\n")
    said["window"] = "it is 44 122" in expect(master, "it is 44 122\r\n# ")
    os.write(master, b"echo re''ady; cat\n")
    expect(master, "ready\r\n")
    os.write(master, b"me\n")
    expect(master, "me\r\nme\r\n")
    os.write(master, b"\x03")
    expect(master, "# ")
    os.write(master, b"echo st''ill here\n")
    said["interrupt"] = "still here" in expect(master, "still here\r\n")
    os.write(master, b"exit\n")
    try:
        while os.read(master, 4096):
            pass
        said["end"] = "end of file"
    except OSError as error:
        said["end"] = errno.errorcode[error.errno]
    return said


def terminal(cargo):
    """The guest gets our terminal, three times."""
    master, slave = pty.openpty()
    set_window(slave, 20, 70)
    cargo.call("Run", "(shhh)", ("echo we have; stty size; tty; read word; echo read $word >&2", 0, 1, 2),
               [slave, slave, slave])
    said = {"window": "20 70" in expect(master, "/dev/pts/")}
    os.write(master, b"anchor\n")
    text = expect(master, "read anchor\r\n")
    said["echoes"] = text.count("anchor\r\n") - 1
    deadline = time.monotonic() + 10
    while not termios.tcgetattr(slave)[3] & termios.ECHO and time.monotonic() < deadline:
        time.sleep(0.05)
    said["given back"] = bool(termios.tcgetattr(slave)[3] & termios.ECHO)
    return said


def kinds(cargo):
    """What cannot be passed, with what each is called."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"\0tombolo-test-{os.getpid()}")
    listening.listen(1)
    epoll = select.epoll()
    things = {
        "file": os.open("/etc/hostname", os.O_RDONLY),
        "directory": os.open("/", os.O_RDONLY),
        "device": os.open("/dev/null", os.O_RDWR),
        "listening": listening.fileno(),
        "datagram": socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].detach(),
        "tcp": socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach(),
        "epoll": epoll.fileno(),
    }
    said = {}
    for name, fd in things.items():
        try:
            cargo.call("Drain", "(h)", (0,), [fd])
            said[name] = "passed"
        except Refused as refused:
            said[name] = refused.args[0]["error"] + ": " + refused.args[0]["message"]
    return said


def given_file(cargo):
    cargo.call("File")
    return {}


def many(cargo):
    """64, one more, and one more when some are closed; calls without descriptors pass all the time."""
    fds = []
    for _ in range(4):
        fds += cargo.call("Many", "(u)", (16,))[1]
    said = {"had": len(fds)}
    for what, call in (("got", lambda: cargo.call("Many", "(u)", (1,))),
                       ("passed", lambda: cargo.call("Fill", "(ht)", (0, 0), [os.pipe()[1]]))):
        try:
            call()
            said[what] = "one more"
        except Refused as refused:
            said[what] = refused.args[0]["error"]
    cargo.call("Count")
    for fd in fds[:8]:
        os.close(fd)
    deadline = time.monotonic() + 10
    while "again" not in said and time.monotonic() < deadline:
        try:
            said["again"] = len(cargo.call("Many", "(u)", (8,))[1])
        except Refused:
            time.sleep(0.1)
    cargo.call("LetGo")
    return said


def too_many(cargo):
    reader, writer = os.pipe()
    cargo.call("Many", "(u)", (1,), [writer] * 17)
    return {}


def signals(cargo):
    """One with a descriptor is left out, what comes behind it is not."""
    seen = []
    loop = GLib.MainLoop()

    def on_signal(_bus, _sender, _path, _interface, member, _arguments):
        seen.append(member)
        if member == "Empty":
            loop.quit()

    cargo.call("Count")
    cargo.bus.signal_subscribe(cargo.name, NAME, None, PATH, None, Gio.DBusSignalFlags.NONE, on_signal)
    cargo.call("Announce")
    GLib.timeout_add_seconds(10, loop.quit)
    loop.run()
    return {"seen": seen}


PROFILE = Gio.DBusNodeInfo.new_for_xml("""<node><interface name="org.bluez.Profile1">
<method name="NewConnection"><arg type="o" direction="in"/><arg type="h" direction="in"/>
<arg type="a{sv}" direction="in"/><arg type="h" direction="out"/></method>
</interface></node>""").interfaces[0]


def profile(cargo, kind="pipe"):
    """The guest's service calls us back, with a socket and a pipe, and gets a pipe, or a file."""
    loop = GLib.MainLoop()
    said = {}

    def called(_bus, sender, _path, _interface, _method, arguments, invocation):
        fds = invocation.get_message().get_unix_fd_list().steal_fds()
        _device, index, properties = arguments.unpack()
        said["log"] = read_all(fds[properties["Log"]]).decode()
        with socket.socket(fileno=fds[index]) as connection:
            connection.sendall(b"by socket")
        read, write = os.pipe() if kind == "pipe" else (os.open("/etc/hostname", os.O_RDONLY), os.dup(2))
        if kind == "pipe":
            os.write(write, b"by pipe")
        os.close(write)
        given = Gio.UnixFDList.new()
        given.append(read)
        os.close(read)
        said["from the name's owner"] = sender == cargo.bus.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner",
            GLib.Variant("(s)", (cargo.name,)), None, Gio.DBusCallFlags.NONE, -1, None).unpack()[0]
        invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (0,)), given)

    def answered(bus, result):
        try:
            said["heard"] = list(bus.call_finish(result).unpack())
        except GLib.Error as error:
            said["error"] = Gio.DBusError.get_remote_error(error)
            said["message"] = error.message
        loop.quit()

    cargo.bus.register_object("/org/tombolo/Test1/Profile", PROFILE, called, None, None)
    cargo.bus.call(cargo.name, PATH, NAME, "Connect", None, None, Gio.DBusCallFlags.NONE, PATIENCE * 1000, None,
                   answered)
    loop.run()
    return said


def wait_in_transfer(cargo):
    """The guest writes without end; says how ours ended when the guest has gone."""
    read, write = os.pipe()
    back_read, back_write = os.pipe()
    cargo.call("Fill", "(ht)", (0, 1 << 40), [write])
    os.close(write)
    passed = Gio.UnixFDList.new()
    passed.append(back_read)
    cargo.bus.call_with_unix_fd_list(cargo.name, PATH, NAME, "Drain", GLib.Variant("(h)", (0,)), None,
                                     Gio.DBusCallFlags.NONE, -1, passed, None, None)
    cargo.bus.flush_sync()
    os.close(back_read)
    del passed  # it holds a copy
    got = len(os.read(read, 65536))
    os.write(back_write, b"x" * 1000)
    print("ready", file=sys.stderr, flush=True)
    while chunk := os.read(read, 1 << 20):
        got += len(chunk)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        while True:
            os.write(back_write, b"x" * 1000)
    except BrokenPipeError:
        return {"read": "end of file", "write": "EPIPE", "some": got > 0}


def stopped_reader(cargo, seconds):
    """Nobody reads for longer than a dead peer would be given."""
    read, write = os.pipe()
    size = 64 << 20
    cargo.call("Fill", "(ht)", (0, size), [write])
    os.close(write)
    time.sleep(float(seconds))
    digest = hashlib.sha256()
    while chunk := os.read(read, 1 << 20):
        digest.update(chunk)
    return {"same": digest.hexdigest() == pattern_digest(size)}


def wait_with_inhibitor(cargo):
    name = cargo.name.replace(NAME, "org.freedesktop.login1")
    _, got = cargo.bus.call_with_unix_fd_list_sync(
        name, "/org/freedesktop/login1", "org.freedesktop.login1.Manager", "Inhibit",
        GLib.Variant("(ssss)", ("idle", "cargo", "a test", "block")), None,
        Gio.DBusCallFlags.NONE, -1, None, None)
    fds = got.steal_fds()
    wait()
    for fd in fds:
        os.close(fd)
    wait()
    return {}


def main():
    way, what, *arguments = sys.argv[1:]
    try:
        said = globals()[what](Cargo(way), *arguments)
    except Refused as refused:
        said = refused.args[0]
    print(json.dumps(said))


main()
