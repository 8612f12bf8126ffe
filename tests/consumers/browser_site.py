"""Web sites that ask for a client certificate, for the browser tests. Standard library and the
openssl program. It never looks at what the browser shows: what arrived at the server is what counts."""

import hashlib
import http.server
import pathlib
import socket
import ssl
import subprocess
import threading
import time

HOST = "site.localhost"
TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Authority:
    """A certificate authority that lives as long as the test, and a server certificate of it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.certificate = self.folder / "test-ca.pem"
        self.server = self.folder / "server.pem"
        self.server_key = self.folder / "server.key"
        self._make()

    def _make(self):
        authority_key = self.folder / "test-ca.key"
        common = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256"]
        self._openssl("req", "-x509", *common, "-keyout", authority_key, "-out", self.certificate,
                      "-days", "7", "-subj", "/CN=Throw-away CA of a test",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        request = self.folder / "server.csr"
        self._openssl("req", "-new", *common, "-keyout", self.server_key, "-out", request,
                      "-subj", f"/CN={HOST}")
        extensions = self.folder / "server.ext"
        extensions.write_text(
            f"subjectAltName=DNS:{HOST},DNS:*.{HOST},DNS:localhost,IP:127.0.0.1\n"
            "extendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", authority_key,
                      "-CAcreateserial", "-days", "7", "-sha256", "-extfile", extensions,
                      "-out", self.server)

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Arrival:
    """One connection that got through its handshake."""

    def __init__(self, version, certificate):
        self.version = version
        self.fingerprint = fingerprint(certificate) if certificate else None


def fingerprint(der):
    """SHA-256 of a certificate, as text."""
    return hashlib.sha256(der).hexdigest()


def fingerprint_of(pem_file):
    """The same of the certificate in a file."""
    return fingerprint(ssl.PEM_cert_to_DER_cert(pathlib.Path(pem_file).read_text()))


class Site:
    """A site of one TLS version. `authorities`: whose client certificates it takes. Python's ssl
    announces no CA names, which is what makes a browser offer everything it has; `AnnouncingSite`
    is the other kind. No session is resumed: each connection must be signed for."""

    announces = False

    def __init__(self, authority, version, authorities, required=True, host=HOST):
        self.version = version
        self.arrivals = []
        self.failures = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.server, authority.server_key)
        context.minimum_version = context.maximum_version = TLS[version]
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        for file in authorities:
            context.load_verify_locations(file)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        self._context = context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._closing = False
        self.url = f"https://{host}:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._closing = True
        self._socket.close()

    def _serve(self):
        while not self._closing:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        client.settimeout(120)
        try:
            with self._context.wrap_socket(client, server_side=True) as connection:
                # In TLS 1.3 the certificate is checked with the first read.
                request = connection.recv(65536)
                certificate = connection.getpeercert(binary_form=True)
                if not request:
                    return
                if b"GET /favicon" not in request.split(b"\r\n", 1)[0]:
                    self.arrivals.append(Arrival(connection.version(), certificate))
                connection.sendall(page(connection, certificate))
                try:
                    connection.unwrap()
                except (OSError, ssl.SSLError):
                    pass
        except (OSError, ssl.SSLError) as error:
            self.failures.append(str(error))


def page(connection, certificate):
    """What a site says to somebody who has logged in."""
    if certificate:
        parsed = connection.getpeercert()
        subject = ", ".join(f"{key}={value}" for part in parsed["subject"] for key, value in part)
        issuer = ", ".join(f"{key}={value}" for part in parsed["issuer"] for key, value in part)
        title, rows = "Logged in", [
            ("Certificate of", subject), ("Issued by", issuer),
            ("Valid until", parsed["notAfter"]), ("SHA-256", fingerprint(certificate))]
    else:
        title, rows = "Not logged in", [("Certificate", "none arrived")]
    rows.append(("Connection", f"{connection.version()}, {connection.cipher()[0]}"))
    table = "".join(f"<tr><th>{name}<td>{value}" for name, value in rows)
    body = ("<!doctype html><meta charset=utf-8><link rel=icon href='data:,'>"
            f"<title>{title}</title><style>body{{font:16px sans-serif;margin:2em}}"
            "th{text-align:left;padding:4px 1em 4px 0;vertical-align:top;white-space:nowrap}"
            "td{word-break:break-all}</style>"
            f"<h1>{title}</h1><table>{table}</table>")
    return response(body)


def response(html):
    """An answer of HTTP, after which the connection ends."""
    body = html.encode()
    head = (f"HTTP/1.1 {http.HTTPStatus.OK.value} OK\r\nContent-Type: text/html\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n")
    return head.encode() + body


class AnnouncingSite:
    """`openssl s_server`, which announces the names of the CAs whose certificates it takes. It prints
    the certificate of each connection, then the request; the page goes in at its standard input."""

    announces = True

    def __init__(self, authority, version, authorities, host=HOST):
        [file] = authorities
        self.version = version
        self.arrivals = []
        self.failures = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        only = {"1.2": "-tls1_2", "1.3": "-tls1_3"}[version]
        self._process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", authority.server,
             "-key", authority.server_key, "-CAfile", file, "-Verify", "2", "-verify_return_error",
             only, "-no_ticket", "-num_tickets", "0", "-no_cache"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.url = f"https://{host}:{port}/"
        threading.Thread(target=self._attend, daemon=True).start()

    def close(self):
        self._process.terminate()
        self._process.wait()

    def _attend(self):
        try:
            self._read()
        except OSError:
            pass  # The server has ended.

    def _read(self):
        certificate, inside, request = "", False, b""
        for line in self._process.stdout:
            if b"-----BEGIN CERTIFICATE-----" in line:
                certificate, inside = "", True
            if inside:
                certificate += line.decode()
                inside = b"-----END CERTIFICATE-----" not in line
            elif b" HTTP/1.1" in line:
                request = line
            elif request and line in (b"\r\n", b"\n"):
                if b"/favicon" not in request:
                    der = ssl.PEM_cert_to_DER_cert(certificate) if certificate else None
                    self.arrivals.append(Arrival("TLSv" + self.version, der))
                request = b""
                # `q` at the start of what it reads ends the connection.
                for text in (response("<title>Logged in</title><h1>Logged in</h1>"), b"q\n"):
                    self._process.stdin.write(text)
                    self._process.stdin.flush()
                    time.sleep(0.3)
            elif b"error" in line.lower():
                self.failures.append(line.decode().strip())
