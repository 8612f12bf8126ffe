"""Servers of one's own that let in exactly one's own card: nginx, Apache, Caddy. Standard library only. The visitor is curl with the
card. Four cards take turns: one's own, another person's, and one of each earlier generation of the authority, whose certificates all
stand in one file."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import ssl
import tempfile
import time

from cases.openssl import engine_env
from support.bench import AUTH, PIN, Bench, first_line, free_port, uri, wait_for, wait_for_port
from support.case import case
from support.tls import mark, server_certificate

CARDS = ["--card", "me=plastic", "--card", "other=plastic", "--card", "old=plastic,generation=2", "--card", "first=plastic,generation=1"]
DID = "lets in one's own cards alone, of two CA generations; refuses an expired authority, another card and none; the log says who came"


def visit(bench: Bench, port: int, *more: str) -> str:
    """What curl gets, with the status at the end."""
    return bench.sh("curl", "--silent", "--show-error", "--cacert", bench.dir / "server.pem", "--write-out", "[%{http_code}]", *more,
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


def one_card_comes_in(bench: Bench, port: int, log: pathlib.Path) -> None:
    """The four cards and nobody at the door."""
    wait_for_port(port)
    for version, most in (("1.2", ["--tls-max", "1.2"]), ("1.3", ["--tlsv1.3"])):
        said = with_card(bench, port, *most)
        bench.check("[200]" in said, f"TLS {version}: {said}")
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
    name = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    name = name.split("CN=")[1].split(",")[0].strip()
    bench.check(name in log.read_text(errors="replace"), f"the log does not say that {name} came:\n{log.read_text()[-600:]}")


def ends(bench: Bench) -> dict[str, str]:
    """The server's own certificate, the authorities of all cards, its log."""
    certificate, key = server_certificate(bench.dir)
    return {"SERVER_CERTIFICATE": str(certificate), "SERVER_KEY": str(key), "CA_FILE": str(bench.auth_ca),
            "LOG_FILE": str(bench.dir / "access.log")}


def both_certificates(bench: Bench) -> dict[str, str]:
    """The two cards that may come in."""
    return {"CERTIFICATE_OF_MY_CARD": str(bench.auth_certificate), "CERTIFICATE_OF_ANOTHER": str(bench.certificates / "old-auth.pem")}


@case("nginx", "nginx", DID, version=lambda: first_line("/usr/sbin/nginx", "-v"), needs=["/usr/sbin/nginx", "curl"], card=CARDS)
def nginx(bench: Bench) -> None:
    """By the fingerprint of the certificate."""
    port = free_port()

    def fingerprint(path: pathlib.Path) -> str:
        return hashlib.sha1(ssl.PEM_cert_to_DER_cert(path.read_text())).hexdigest()

    certificates = [pathlib.Path(path) for path in both_certificates(bench).values()]
    site = bench.configuration("nginx/my-card.conf", SITE_PORT=str(port), **ends(bench), FINGERPRINT_OF_MY_CARD=fingerprint(certificates[0]),
                               FINGERPRINT_OF_ANOTHER=fingerprint(certificates[1]))
    whole = bench.file("nginx.conf", f"user root; daemon off; pid {bench.dir}/nginx.pid; events {{}} http {{ include {site}; }}\n")
    bench.start("/usr/sbin/nginx", "-c", whole, "-p", bench.dir, "-e", "stderr", name="nginx")
    one_card_comes_in(bench, port, bench.dir / "access.log")


@case("apache", "Apache", DID, version=lambda: first_line("/usr/sbin/apache2", "-v"), needs=["/usr/sbin/apache2", "curl"], card=CARDS)
def apache(bench: Bench) -> None:
    """By the whole certificate."""
    port = free_port()
    # Its workers run as another user, who may not read below /root.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        pathlib.Path(folder, "index.html").write_text("Welcome\n")
        for name, path in both_certificates(bench).items():
            shutil.copy(path, f"{folder}/{name}.pem")
        serve_apache(bench, port, folder)
        one_card_comes_in(bench, port, bench.dir / "access.log")


def serve_apache(bench: Bench, port: int, folder: str) -> None:
    """The shipped site in the least of servers."""
    site = bench.configuration("apache/my-card.conf", SITE_PORT=str(port), SITE_FOLDER=folder, **ends(bench),
                               **{name: f"{folder}/{name}.pem" for name in both_certificates(bench)})
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ("mpm_event", "authz_core", "dir", "ssl", "socache_shmcb"))
    whole = bench.file("apache.conf", f"ServerRoot {bench.dir}\nServerName localhost\nPidFile {bench.dir}/apache.pid\nErrorLog {bench.dir}/error.log\n"
                       f"DefaultRuntimeDir {bench.dir}\nUser daemon\nGroup daemon\n{modules}Listen 127.0.0.1:{port}\nDirectoryIndex index.html\n<Directory />\nAllowOverride None\nRequire all granted\n</Directory>\nInclude {site}\n")
    bench.start("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", whole, name="apache")


@case("caddy", "Caddy", DID, version=lambda: first_line("caddy", "version"), needs=["caddy", "curl"], card=CARDS)
def caddy(bench: Bench) -> None:
    """By the whole certificate, in Go's TLS."""
    port = free_port()
    end = "-----END CERTIFICATE-----\n"
    authorities = [pem + end for pem in bench.auth_ca.read_text().split(end) if pem]
    files = {f"CA_OF_GENERATION_{number}": str(bench.file(f"ca-{number}.pem", pem)) for number, pem in enumerate(authorities, 1)}
    site_ends = {word: value for word, value in ends(bench).items() if word != "CA_FILE"}
    site = bench.configuration("caddy/Caddyfile", SITE_PORT=str(port), **site_ends, **files, **both_certificates(bench))
    bench.start("caddy", "run", "--config", site, "--adapter", "caddyfile", name="caddy")
    one_card_comes_in(bench, port, bench.dir / "access.log")
