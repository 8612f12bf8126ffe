"""GnuTLS and the programs on it, which find the module by p11-kit: gnutls-cli, wget, wget2, openconnect.
Standard library only. The PIN stands in the name of the key."""

from __future__ import annotations

import os
import re

from support.bench import AUTH, MODULE, PIN, Bench, first_line, free_port, uri, wait_for_port
from support.case import Failed, case
from support.tls import Site, both_versions, mark, server_certificate

GET = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


@case("gnutls-cli", "gnutls-cli", "TLS login with the authentication certificate",
      version=lambda: first_line("gnutls-cli", "--version"), needs=["gnutls-cli"])
def gnutls_cli(bench: Bench) -> None:
    """Names the module itself, no p11-kit configuration."""

    def visit(site: Site) -> str:
        return bench.sh("gnutls-cli", "--provider", MODULE, "--x509cafile", site.certificate,
                        "--x509certfile", uri(AUTH, "cert"), "--x509keyfile", uri(AUTH, "private"),
                        "--port", str(site.port), "localhost", stdin=GET, env={"GNUTLS_PIN": PIN})

    both_versions(bench, visit)


@case("wget", "wget (GnuTLS)", "GET with the authentication certificate; the module by p11-kit",
      version=lambda: first_line("wget", "--version"), needs=["wget"], mounts=True)
def wget(bench: Bench) -> None:
    """Debian builds wget with GnuTLS."""
    bench.register_with_p11_kit()

    def visit(site: Site) -> str:
        return bench.sh("wget", "--quiet", "--output-document=-", f"--ca-certificate={site.certificate}",
                        f"--certificate={uri(AUTH, 'cert')}", f"--private-key={uri(AUTH, 'private', PIN)}", site.url)

    both_versions(bench, visit)


@case("wget2", "wget2 (GnuTLS)", "GET with the authentication certificate; the module by p11-kit",
      version=lambda: first_line("wget2", "--version"), needs=["wget2"], mounts=True)
def wget2(bench: Bench) -> None:
    """The successor."""
    bench.register_with_p11_kit()

    def visit(site: Site) -> str:
        return bench.sh("wget2", "--quiet", "--output-document=-", "--no-ocsp", f"--ca-certificate={site.certificate}",
                        f"--certificate={uri(AUTH, 'cert')}", f"--private-key={uri(AUTH, 'private', PIN)}", site.url)

    both_versions(bench, visit)


@case("openconnect", "openconnect", "VPN login at ocserv with the authentication certificate, up to the cookie",
      version=lambda: first_line("openconnect", "--version"), needs=["openconnect", "ocserv"], mounts=True)
def openconnect(bench: Bench) -> None:
    """`--authenticate` stops before a tunnel device is made."""
    bench.register_with_p11_kit()
    certificate, key = server_certificate(bench.dir)
    common = re.search(r"CN ?= ?(\w+)", bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject"))
    bench.check(common, "the certificate has no name")
    for version, priority in (("1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2"), ("1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.3")):
        port = free_port()
        # Short: the name of a socket has 108 bytes.
        folder = f"{os.environ['VIRTUAL_CARD_DIR']}/run"
        log = bench.start("ocserv", "--foreground", "--debug", "3", "--config", bench.file(f"ocserv-{version}.conf", "\n".join([
            "auth = certificate", f"tcp-port = {port}", "listen-host = 127.0.0.1", "run-as-user = root", "run-as-group = root",
            f"socket-file = {folder}/oc{version}", f"server-cert = {certificate}", f"server-key = {key}",
            f"ca-cert = {bench.auth_ca}", "cert-user-oid = 2.5.4.3", f"tls-priorities = {priority}", "device = vpns",
            f"occtl-socket-file = {folder}/occtl{version}", "isolate-workers = false", "max-clients = 4", "cisco-client-compat = true",
            "ipv4-network = 192.0.2.0/24", ""])), name=f"ocserv-{version}")
        wait_for_port(port)
        try:
            said = bench.sh("openconnect", "--authenticate", "--non-inter", "--protocol=anyconnect", "--verbose",
                            f"--certificate={uri(AUTH, 'cert')}", f"--sslkey={uri(AUTH, 'private', PIN)}",
                            f"--cafile={certificate}", f"https://localhost:{port}/")
            bench.check("COOKIE=" in said, f"no cookie:\n{said}")
            heard = log.read_text(errors="replace")
            bench.check(common.group(1) in heard, f"ocserv saw another name:\n{heard[-600:]}")
            bench.check(f"TLS{version}" in said + heard, f"the connection was not TLS {version}:\n{said}")
        except Failed:
            mark(bench, version, "no")
            raise
        mark(bench, version, "yes")
        bench.stop_last()
