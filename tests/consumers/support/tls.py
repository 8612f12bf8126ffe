"""A TLS site that demands a client certificate of the card's authority, in one version of TLS, and
remembers who came. Standard library only (so OpenSSL). It never uses the module under test."""

from __future__ import annotations

import pathlib
import socket
import ssl
import subprocess
import threading

from .bench import Bench
from .case import Failed

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Site:
    """Answers every visitor with a page that names the certificate it saw."""

    def __init__(self, bench: Bench, version: str) -> None:
        self.version = version
        self.visitors: list[tuple[str, bytes]] = []
        self.errors: list[str] = []
        self.certificate, key = server_certificate(bench.dir)
        self._expected = ssl.PEM_cert_to_DER_cert(bench.auth_certificate.read_text())
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = self._context.maximum_version = VERSIONS[version]
        self._context.load_cert_chain(self.certificate, key)
        self._context.load_verify_locations(bench.auth_ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://localhost:{self.port}/"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                seen = tls.getpeercert(binary_form=True) or b""
                request = tls.recv(4096)
                self.visitors.append((tls.version() or "", seen))
                page = f"Welcome, {subject(tls)} with {tls.version()}\n".encode()
                if request.startswith((b"GET", b"POST", b"HEAD")):
                    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(page)}\r\n\r\n".encode()
                    page = head + page
                tls.sendall(page)
                # Not every program says goodbye.
                tls.settimeout(1)
                tls.unwrap()
        except OSError as error:
            self.errors.append(str(error))

    def saw_the_card(self) -> None:
        """Fails unless every visitor showed the card's authentication certificate in this version."""
        wanted = (f"TLSv{self.version}", self._expected)
        if not self.visitors or any(visitor != wanted for visitor in self.visitors):
            seen = [(version, len(der)) for version, der in self.visitors]
            raise Failed(f"the TLS {self.version} site saw {seen}, errors {self.errors}")


def subject(tls: ssl.SSLSocket) -> str:
    """The common name of the visitor."""
    names = (tls.getpeercert() or {}).get("subject", ())
    return dict(pair for name in names for pair in name).get("commonName", "?")


def server_certificate(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A certificate for localhost and its key; the same for all sites of a bench."""
    certificate, key = directory / "server.pem", directory / "server.key"
    if not certificate.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True, timeout=30,
        )
    return certificate, key


def both_versions(bench: Bench, visit) -> None:
    """Lets `visit(site)` go to a TLS 1.2 and a TLS 1.3 site; it returns what the page said. Both must
    have seen the card."""
    for version in ("1.2", "1.3"):
        with Site(bench, version) as site:
            try:
                said = visit(site)
                site.saw_the_card()
            except Failed as error:
                mark(bench, version, "no")
                raise Failed(f"TLS {version}: {error}; the site: {site.errors}") from error
            if said is not None and f"with TLSv{version}" not in said:
                raise Failed(f"TLS {version}: the page did not arrive\n{said}")
            mark(bench, version, "yes")


def mark(bench: Bench, version: str, word: str) -> None:
    """Puts a word into the table's column of this version."""
    if version == "1.2":
        bench.row.tls12 = word
    else:
        bench.row.tls13 = word
