"""Servers of one's own that let in exactly one's own card: nginx, Apache, Caddy. Standard library only. The visitor here is curl with the
card; cases/visitors.py has the browsers. Four cards take turns: one's own, another person's, and one of each earlier generation of the
authority, whose certificates all stand in one file."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import ssl
import tempfile
import time

from browser_site import Authority
from cases.openssl import engine_env
from support.bench import AUTH, PIN, Bench, first_line, free_port, uri, wait_for, wait_for_port
from support.case import case
from support.tls import mark

CARDS = ["--card", "me=plastic", "--card", "other=plastic", "--card", "old=plastic,generation=2", "--card", "first=plastic,generation=1"]
DID = "lets in one's own cards alone, of two CA generations; refuses an expired authority, another card and none; page and log say who came"


def visit(bench: Bench, port: int, *more: str) -> str:
    """What curl gets, with the status at the end."""
    return bench.sh("curl", "--silent", "--show-error", "--cacert", bench.dir / "authority/test-ca.pem", "--write-out", "[%{http_code}]", *more,
                    f"https://localhost:{port}/", env=engine_env(bench), ok=False)


def with_card(bench: Bench, port: int, *more: str) -> str:
    """A visit with the card that is in the reader."""
    return visit(bench, port, "--engine", "pkcs11", "--cert", uri(AUTH, "cert", PIN), "--key", uri(AUTH, "private", PIN), *more)


def lay_down(bench: Bench, card: str) -> None:
    """Changes the card, and waits until pcscd has told its clients: it looks every 400 ms."""
    bench.control("swap", card)
    wait_for(lambda: "powered=yes" in bench.control("verified"), "pcscd does not see the card")
    time.sleep(0.5)


def is_refused(bench: Bench, port: int, card: str) -> None:
    """The card signs, so the server has seen it, and no page comes."""
    bench.check_tries()
    lay_down(bench, card)
    said = with_card(bench, port)
    count = bench.counters()
    bench.check("[200]" not in said, f"let in {card}: {said}")
    bench.check(count["auth_signatures"] == 1, f"{card} was not tried: {count}, {said}")


def one_card_comes_in(bench: Bench, server: Server) -> None:
    """The four cards and nobody at the door."""
    name, port = common_name(bench), server.port
    for version, most in (("1.2", ["--tls-max", "1.2"]), ("1.3", ["--tlsv1.3"])):
        said = with_card(bench, port, *most)
        bench.check("[200]" in said and name in said, f"TLS {version}: {said}")
        mark(bench, version, "yes")
    nobody = visit(bench, port)
    # nginx answers 400; the others end the handshake, and curl sees an alert or a closed connection.
    bench.check("[400]" in nobody or "[000]" in nobody, f"without a card: {nobody}")
    is_refused(bench, port, "other")
    # An older card that is on the list: the authority has the same name and another key.
    bench.check_tries()
    lay_down(bench, "old")
    said = with_card(bench, port)
    bench.check("[200]" in said, f"a card of the second generation: {said}")
    # The first generation of the authority has come to its end.
    is_refused(bench, port, "first")
    seen = server.log.read_text(errors="replace")
    bench.check(name in seen, f"the log does not say that {name} came:\n{seen[-600:]}")


def common_name(bench: Bench) -> str:
    """What the card's certificate calls its holder: a number."""
    subject = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    return subject.split("CN=")[1].split(",")[0].strip()


class Server:
    """A server with the site as shipped, for one's own card and an older one."""

    def __init__(self, bench: Bench, name: str, authority: Authority) -> None:
        self.bench, self.name, self.port = bench, name, free_port()
        self.log = bench.dir / f"{name}-access.log"
        self.url = f"https://localhost:{self.port}/"
        self._certificates = {"CERTIFICATE_OF_MY_CARD": bench.auth_certificate, "CERTIFICATE_OF_ANOTHER": bench.certificates / "old-auth.pem"}
        self._words = {"SITE_PORT": str(self.port), "SERVER_CERTIFICATE": str(authority.server), "SERVER_KEY": str(authority.server_key),
                       "LOG_FILE": str(self.log)}

    def start_nginx(self) -> None:
        """It knows a card by the fingerprint of the certificate."""
        prints = {name.replace("CERTIFICATE", "FINGERPRINT"): hashlib.sha1(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()
                  for name, path in self._certificates.items()}
        site = self.bench.configuration("nginx/my-card.conf", CA_FILE=str(self.bench.auth_ca), **self._words, **prints)
        whole = self.bench.file("nginx.conf", f"user root; daemon off; pid {self.bench.dir}/nginx.pid; events {{}} http {{ include {site}; }}\n")
        self.bench.start("/usr/sbin/nginx", "-c", whole, "-p", self.bench.dir, "-e", "stderr", name="nginx")
        wait_for_port(self.port)

    def start_apache(self, folder: str) -> None:
        """It compares the whole certificate. `folder` is one that its workers, who are another user, may read."""
        pathlib.Path(folder).chmod(0o755)
        pathlib.Path(folder, "index.html").write_text('Welcome, <!--#echo var="SSL_CLIENT_S_DN" -->\n')
        for name, path in self._certificates.items():
            shutil.copy(path, f"{folder}/{name}.pem")
        site = self.bench.configuration("apache/my-card.conf", SITE_FOLDER=folder, CA_FILE=str(self.bench.auth_ca), **self._words,
                                        **{name: f"{folder}/{name}.pem" for name in self._certificates})
        place = self.bench.dir
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                          for name in ("mpm_event", "authz_core", "dir", "include", "mime", "ssl", "socache_shmcb"))
        whole = self.bench.file("apache.conf", f"ServerRoot {place}\nServerName localhost\nPidFile {place}/apache.pid\nErrorLog {place}/error.log\n"
                                f"DefaultRuntimeDir {place}\nUser daemon\nGroup daemon\n{modules}TypesConfig /etc/mime.types\nListen 127.0.0.1:{self.port}\nDirectoryIndex index.html\n<Directory />\nAllowOverride None\nRequire all granted\n</Directory>\nInclude {site}\n")
        self.bench.start("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", whole, name="apache")
        wait_for_port(self.port)

    def start_caddy(self) -> None:
        """It compares the whole certificate, in Go's TLS."""
        end = "-----END CERTIFICATE-----\n"
        authorities = [pem + end for pem in self.bench.auth_ca.read_text().split(end) if pem]
        files = {f"CA_OF_GENERATION_{number}": str(self.bench.file(f"ca-{number}.pem", pem)) for number, pem in enumerate(authorities, 1)}
        site = self.bench.configuration("caddy/Caddyfile", **self._words, **files, **{name: str(path) for name, path in self._certificates.items()})
        self.bench.start("caddy", "run", "--config", site, "--adapter", "caddyfile", name="caddy")
        wait_for_port(self.port)


@case("nginx", "nginx", DID, version=lambda: first_line("/usr/sbin/nginx", "-v"), needs=["/usr/sbin/nginx", "curl"], card=CARDS)
def nginx(bench: Bench) -> None:
    """By the fingerprint of the certificate."""
    server = Server(bench, "nginx", Authority(bench.dir / "authority"))
    server.start_nginx()
    one_card_comes_in(bench, server)


@case("apache", "Apache", DID, version=lambda: first_line("/usr/sbin/apache2", "-v"), needs=["/usr/sbin/apache2", "curl"], card=CARDS)
def apache(bench: Bench) -> None:
    """By the whole certificate."""
    server = Server(bench, "apache", Authority(bench.dir / "authority"))
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        server.start_apache(folder)
        one_card_comes_in(bench, server)


@case("caddy", "Caddy", DID, version=lambda: first_line("caddy", "version"), needs=["caddy", "curl"], card=CARDS)
def caddy(bench: Bench) -> None:
    """By the whole certificate, in Go's TLS."""
    server = Server(bench, "caddy", Authority(bench.dir / "authority"))
    server.start_caddy()
    one_card_comes_in(bench, server)
