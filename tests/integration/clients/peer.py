#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A false guest: listens where the agent should, and is wrong in one way.

peer.py KIND INTERFACE [IDENTITY-FILE]
KIND: tls (TLS 1.3 with the identity's key), tls12, plain (answers in clear text), stall (says nothing),
flood (sends bytes without end). Prints a line for each connection and what became of it.
"""
import socket
import ssl
import sys
import tempfile
import threading

PORT = 7475


def context(kind, path):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if kind == "tls12":
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.set_alpn_protocols(["tombolo-agent/1", "tombolo-bus/1"])
    text = open(path).read()
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        # Key and own certificate: the peer that we pose as sends no chain either.
        end = "-----END CERTIFICATE-----\n"
        pem.write(text[text.index("-----BEGIN"):text.index(end) + len(end)])
        pem.flush()
        tls.load_cert_chain(pem.name)
    return tls


def serve(connection, kind, tls):
    try:
        if kind in ("tls", "tls12"):
            with tls.wrap_socket(connection, server_side=True) as session:
                session.settimeout(10)
                data = session.recv(4096)
                print("accepted" if data else "closed", len(data), flush=True)
                return
        if kind == "plain":
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" * 20)
        while kind == "flood":
            connection.sendall(b"\x16\x03\x03\x40\x00" + b"A" * 16384)
        connection.settimeout(20)
        while connection.recv(4096):
            pass
        print("closed", flush=True)
    except OSError as error:
        print("refused", error, flush=True)


def main():
    kind, interface = sys.argv[1:3]
    tls = context(kind, sys.argv[3]) if kind in ("tls", "tls12") else None
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("fe80::2", PORT, 0, socket.if_nametoindex(interface)))
    listener.listen(16)
    print("ready", file=sys.stderr, flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, kind, tls), daemon=True).start()


main()
