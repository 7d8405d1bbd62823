#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Opens streams as a bridge would, with tokens that nobody has told: random, and all zero.

guess.py INTERFACE IDENTITY-FILE
Prints what became of each.
"""
import os
import socket
import ssl
import sys
import tempfile


def main():
    interface, path = sys.argv[1:]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.set_alpn_protocols(["tombolo-stream/1"])
    text = open(path).read()
    end = "-----END CERTIFICATE-----\n"
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
        pem.write(text[text.index("-----BEGIN"):text.index(end) + len(end)])
        pem.flush()
        tls.load_cert_chain(pem.name)

    for token in (os.urandom(16), os.urandom(16), bytes(16)):
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as plain:
            plain.settimeout(10)
            plain.connect(("fe80::2", 7475, 0, socket.if_nametoindex(interface)))
            with tls.wrap_socket(plain) as session:
                session.sendall(token)
                try:
                    print("open" if session.recv(1) else "closed", flush=True)
                except ConnectionError:
                    print("closed", flush=True)


main()
