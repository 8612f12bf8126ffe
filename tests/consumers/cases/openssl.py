"""OpenSSL by engine and by provider, and the programs that use the engine: curl, stunnel, OpenVPN,
wpa_supplicant, osslsigncode, xmlsec1. Standard library only. They never get the PIN by the terminal unless
the case says so."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import struct

from support.bench import (
    AUTH, MODULE, PASSWORD, PIN, SIGN, TOOLS, Bench, first_line, free_port, uri, wait_for, wait_for_port,
)
from support.case import Failed, Skipped, case
from support.tls import Site, both_versions, mark, server_certificate

ENGINE = pathlib.Path("/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so")
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}
GET = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


def openssl() -> str:
    """Version of OpenSSL's command."""
    return first_line("openssl", "version")


def provider() -> pathlib.Path:
    """The library of pkcs11-provider: Debian 12 has none."""
    given = os.environ.get("PKCS11_PROVIDER")
    for path in (given, "/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so", TOOLS / "provider/pkcs11.so"):
        if path and pathlib.Path(path).exists():
            return pathlib.Path(path)
    raise Skipped("pkcs11-provider is in neither Debian 12 nor PyPI; PKCS11_PROVIDER names one that you built")


def engine_env(bench: Bench) -> dict[str, str]:
    """An environment in which OpenSSL knows the engine."""
    return {"OPENSSL_CONF": str(bench.configuration("openssl-engine/openssl.cnf"))}


@case("openssl-engine", "OpenSSL engine (libp11)", "`dgst` (PKCS#1, PSS), `cms`, `req`, `s_client` with `-engine pkcs11`",
      version=openssl, needs=["openssl"], timeout=120)
def engine(bench: Bench) -> None:
    """The engine of Debian 12."""
    if not ENGINE.exists():
        raise Skipped("not installed: libengine-pkcs11-openssl")
    env = engine_env(bench)
    use = ["-engine", "pkcs11", "-keyform", "engine"]
    for signing in ({}, NO):
        commands(bench, env, use, uri(AUTH, "private", PIN), uri(SIGN, "private", PASSWORD), signing)
    bench.row.always_authenticate = "yes / yes"


@case("openssl-provider", "OpenSSL pkcs11-provider", "`dgst` (PKCS#1, PSS), `cms`, `req`, `s_client` with a `pkcs11:` key",
      version=lambda: _provider_version(), needs=["openssl"], timeout=120)
def with_provider(bench: Bench) -> None:
    """The engine's successor."""
    env = provider_env(bench)
    signing = provider_env(bench, PASSWORD)
    commands(bench, env, [], uri(AUTH, "private", PIN), uri(SIGN, "private"), signing)
    document = bench.document()
    bench.sh("openssl", "dgst", "-sha256", "-sign", uri(SIGN, "private", PASSWORD), "-out", "signature", document,
             env={**env, **NO})
    bench.verify(bench.dir / "signature", document, bench.sign_certificate)
    bench.row.always_authenticate = "yes, with pkcs11-module-token-pin / yes"


def provider_env(bench: Bench, pin: str = "") -> dict[str, str]:
    """An environment in which OpenSSL has the provider; with a PIN, one that gives it for each use."""
    library, name = provider(), f"provider{len(pin)}.cnf"
    text = bench.configuration("openssl-provider/openssl.cnf").read_text()
    text = text.replace("/usr/lib/x86_64-linux-gnu/ossl-modules/pkcs11.so", str(library))
    if pin:
        text = text.replace("#pkcs11-module-token-pin = file:PIN_FILE",
                            f"pkcs11-module-token-pin = file:{bench.file('provider.pin', pin)}")
    return {"OPENSSL_CONF": str(bench.file(name, text))}


def key_file(bench: Bench, name: str, key: str) -> pathlib.Path:
    """A PEM file that leads the provider to a key, for programs that know key files only: a SEQUENCE of
    a fixed word and the URI (pkcs11-provider, docs of uri2pem)."""

    def der(tag: int, value: bytes) -> bytes:
        length = len(value)
        head = bytes([length]) if length < 128 else bytes([0x81, length]) if length < 256 else struct.pack(">BH", 0x82, length)
        return bytes([tag]) + head + value

    body = base64.encodebytes(der(0x30, der(0x1A, b"PKCS#11 Provider URI v1.0") + der(0x0C, key.encode()))).decode()
    return bench.file(name, f"-----BEGIN PKCS#11 PROVIDER URI-----\n{body}-----END PKCS#11 PROVIDER URI-----\n")


def _provider_version() -> str:
    try:
        data = provider().read_bytes()
    except Skipped:
        return ""
    found = re.search(rb"\0(1\.\d+\.\d+|0\.\d+(?:\.\d+)?)\0", data)
    return found.group(1).decode() if found else ""


def commands(bench: Bench, env: dict[str, str], use: list[str], auth: str, sign: str, more: dict[str, str]) -> None:
    """What people do with the openssl command. `more`: environment for the signature key."""
    document, signature = bench.document(), bench.dir / "signature"
    for digest in ("sha1", "sha256", "sha384", "sha512"):
        bench.sh("openssl", "dgst", f"-{digest}", *use, "-sign", auth, "-out", signature, document, env=env)
        bench.verify(signature, document, bench.auth_certificate, digest)
    bench.sh("openssl", "dgst", "-sha256", *use, "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
             "-sign", auth, "-out", signature, document, env=env)
    bench.verify(signature, document, bench.auth_certificate, pss=True)

    inform = ["-keyform", "engine"] if use else []
    cms = bench.dir / "document.p7s"
    bench.sh("openssl", "cms", "-sign", *use[:2], *inform, "-binary", "-signer", bench.sign_certificate, "-inkey", sign,
             "-in", document, "-outform", "DER", "-out", cms, env={**env, **more})
    said = bench.sh("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", cms, "-content", document,
                    "-CAfile", bench.sign_ca, "-purpose", "any", "-out", bench.dir / "out")
    bench.check("uccessful" in said, said)

    request = bench.dir / "request.pem"
    bench.sh("openssl", "req", "-new", *use[:2], *inform, "-key", auth, "-subj", "/CN=me", "-sha256", "-out", request, env=env)
    said = bench.sh("openssl", "req", "-in", request, "-noout", "-verify", "-pubkey")
    wanted = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-pubkey")
    bench.check("verify OK" in said and wanted.strip() in said, f"the request is not of the card's key:\n{said}")

    def s_client(site: Site) -> str:
        return bench.sh("openssl", "s_client", "-quiet", *use[:2], *inform, "-connect", f"localhost:{site.port}",
                        "-cert", bench.auth_certificate, "-key", auth, "-CAfile", site.certificate,
                        "-verify_return_error", env=env, stdin=GET)

    both_versions(bench, s_client)


@case("curl", "curl (engine)", "GET with the authentication certificate",
      version=lambda: first_line("curl", "--version"), needs=["curl"])
def curl(bench: Bench) -> None:
    """curl with OpenSSL, as Debian builds it."""
    env = engine_env(bench)

    def visit(site: Site) -> str:
        return bench.sh("curl", "--silent", "--show-error", "--cacert", site.certificate, "--engine", "pkcs11",
                        "--cert", uri(AUTH, "cert", PIN), "--key", uri(AUTH, "private", PIN), site.url, env=env)

    both_versions(bench, visit)


@case("curl-provider", "curl (pkcs11-provider)", "GET; the key is named in a PEM file, no engine",
      version=lambda: first_line("curl", "--version"), needs=["curl"])
def curl_provider(bench: Bench) -> None:
    """For the time after engines."""
    env, key = provider_env(bench), key_file(bench, "key.pem", uri(AUTH, "private", PIN))

    def visit(site: Site) -> str:
        return bench.sh("curl", "--silent", "--show-error", "--cacert", site.certificate,
                        "--cert", bench.auth_certificate, "--key", key, site.url, env=env)

    both_versions(bench, visit)


@case("stunnel", "stunnel (engine)", "a local port that leads to a TLS site with the card's certificate",
      version=lambda: first_line("stunnel", "-version", pattern=r"stunnel (\S+) on"), needs=["stunnel"])
def stunnel(bench: Bench) -> None:
    """stunnel as a client."""

    def visit(site: Site) -> str:
        port = free_port()
        bench.start("stunnel", bench.configuration(
            "stunnel/stunnel.conf", LOCAL_PORT=str(port), SITE_NAME="localhost", SITE_PORT=str(site.port),
            CA_FILE=str(site.certificate), _PIN_=PIN), name=f"stunnel-{site.version}")
        wait_for_port(port)
        said = bench.sh("curl", "--silent", "--http1.0", f"http://localhost:{port}/")
        bench.stop_last()
        # The probe of the port was a visitor without a request.
        return said

    both_versions(bench, visit)


@case("openvpn", "OpenVPN (pkcs11-helper)", "`--show-pkcs11-ids`; a tunnel's login with the authentication certificate",
      version=lambda: first_line("openvpn", "--version"), needs=["openvpn"], timeout=120)
def openvpn(bench: Bench) -> None:
    """Server with certificates in files, client with the card."""
    listed = bench.sh("openvpn", "--show-pkcs11-ids", MODULE)
    names = re.findall(r"Serialized id:\s*(\S+)", listed)
    chosen = [name for name in names if name.endswith("/01")]
    bench.check(len(chosen) == 1, f"not one authentication certificate:\n{listed}")
    authority = vpn_authority(bench)
    for version in ("1.2", "1.3"):
        try:
            tunnel(bench, version, chosen[0], authority)
        except Failed:
            mark(bench, version, "no")
            raise
        mark(bench, version, "yes")


def vpn_authority(bench: Bench) -> tuple[pathlib.Path, pathlib.Path]:
    """A server certificate that OpenVPN takes for one, and its key."""
    certificate, key = bench.dir / "vpn.pem", bench.dir / "vpn.key"
    bench.sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=vpn",
             "-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=digitalSignature,keyEncipherment,keyCertSign",
             "-keyout", key, "-out", certificate)
    return certificate, key


def tunnel(bench: Bench, version: str, name: str, authority: tuple[pathlib.Path, pathlib.Path]) -> None:
    """One connection; the PIN goes through the management port."""
    port, certificate, key = free_port(), *authority
    server = bench.start(
        "openvpn", "--dev", "null", "--proto", "udp", "--local", "127.0.0.1", "--port", str(port), "--tls-server",
        "--dh", "none", "--ca", bench.auth_ca, "--cert", certificate, "--key", key, "--verb", "4",
        "--tls-version-min", version, "--ping", "1", *(["--tls-version-max", "1.2"] if version == "1.2" else []),
        name=f"vpn-server-{version}")
    pin = bench.file("pin", PIN + "\n")
    configuration = bench.configuration(
        "openvpn/client.conf", SERVER_NAME="127.0.0.1", SERVER_PORT=str(port), CA_FILE=str(certificate),
        CERTIFICATE_NAME=name)
    # `client` is for servers with many; the test's has one. No device is made. Without a terminal the
    # PIN comes from standard input of --askpass, or from the management port.
    text = configuration.read_text().replace("client\n", "tls-client\n").replace("dev tun", "dev null")
    management = bench.dir / f"management-{version}"
    client = bench.start(
        "openvpn", "--config", bench.file("client.conf", text), "--verb", "4", "--management", management, "unix",
        "--management-query-passwords", "--connect-retry-max", "1", name=f"vpn-client-{version}")
    answer_management(bench, management, pin.read_text().strip())
    wait_for(lambda: "Initialization Sequence Completed" in server.read_text(errors="replace")
             and "Initialization Sequence Completed" in client.read_text(errors="replace"),
             f"OpenVPN with TLS {version} made no tunnel", 25)
    said = server.read_text(errors="replace")
    subject = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    common = re.search(r"CN=(\w+)", subject)
    bench.check(common and re.search(rf"VERIFY OK: depth=0.*CN={common.group(1)}", said), "the server saw another name")
    bench.check(f"TLSv{version}" in said, f"the tunnel is not TLS {version}")
    bench.stop_last()
    bench.stop_last()


def answer_management(bench: Bench, path: pathlib.Path, pin: str) -> None:
    """Answers OpenVPN's question for the token's PIN, once, and only the authentication token's."""
    import socket

    wait_for(path.exists, "OpenVPN opened no management socket")
    it = socket.socket(socket.AF_UNIX)
    it.settimeout(20)
    it.connect(str(path))
    heard = b""
    while b"'Private Key'" not in heard and b"token' password" not in heard:
        data = it.recv(4096)
        if not data:
            raise Failed(f"OpenVPN asked for no PIN:\n{heard.decode()}")
        heard += data
    asked = re.search(r">PASSWORD:Need '([^']+)'", heard.decode())
    if not asked or AUTH not in asked.group(1):
        raise Failed(f"OpenVPN asked for something else:\n{heard.decode()}")
    it.sendall(f'password "{asked.group(1)}" "{pin}"\n'.encode())
    bench.management = it  # stays open: OpenVPN ends with it


@case("wpa_supplicant", "wpa_supplicant (eapol_test)", "EAP-TLS against hostapd with the authentication certificate",
      version=lambda: first_line("eapol_test", "-v"), needs=["eapol_test", "hostapd"], mounts=True)
def wpa_supplicant(bench: Bench) -> None:
    """The configuration of a Wi-Fi network, tried without radio."""
    certificate, key = server_certificate(bench.dir)
    subject = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    common = re.search(r"CN=(\w+)", subject)
    for version in ("1.2", "1.3"):
        port = free_port()
        users = bench.file("users", '* TLS\n')
        clients = bench.file("radius", "127.0.0.1 secret\n")
        flags = "[ENABLE-TLSv1.3]" if version == "1.3" else "[DISABLE-TLSv1.3]"
        hostapd = bench.start("hostapd", "-dd", bench.file(f"hostapd-{version}.conf", "\n".join([
            "interface=lo", "driver=none", "eap_server=1", f"eap_user_file={users}", f"ca_cert={bench.auth_ca}",
            f"server_cert={certificate}", f"private_key={key}", f"radius_server_clients={clients}",
            f"radius_server_auth_port={port}", f"tls_flags={flags}", ""])), name=f"hostapd-{version}")
        wait_for(lambda log=hostapd: "AP-ENABLED" in log.read_text(errors="replace"), "hostapd did not start")
        changes = {"NETWORK_NAME": "test", "USER_NAME": "me", "CA_FILE": str(certificate), "_PIN_": PIN}
        # Debian's build loads modules out of /usr/lib only.
        text = bench.configuration("wpa_supplicant/wpa_supplicant.conf", **changes).read_text()
        text = text.replace(str(MODULE), str(bench.install()))
        if version == "1.2":
            text = text.replace("tls_disable_tlsv1_3=0", "tls_disable_tlsv1_3=1")
        try:
            said = bench.sh("eapol_test", "-c", bench.file("eapol.conf", text), "-a", "127.0.0.1", "-p", str(port),
                            "-s", "secret", "-t", "20")
            bench.check(said.rstrip().endswith("SUCCESS"), f"TLS {version}: eapol_test:\n{said[-300:]}")
            heard = hostapd.read_text(errors="replace")
            bench.check(common and re.search(rf"depth=0 .*CN={common.group(1)}", heard), "hostapd saw another name")
            bench.check(f"TLSv{version}" in said + heard, f"EAP was not TLS {version}")
        except Failed:
            mark(bench, version, "no")
            raise
        mark(bench, version, "yes")
        bench.stop_last()


@case("osslsigncode", "osslsigncode (engine)", "Authenticode signature of a Windows program with the signature certificate",
      version=lambda: first_line("osslsigncode", "--version"), needs=["osslsigncode"])
def osslsigncode(bench: Bench) -> None:
    """Signed with both settings, without a prompt."""
    program = bench.file("program.exe", windows_program())
    for name, env in (("auto", {}), ("no", NO)):
        signed = bench.dir / f"signed-{name}.exe"
        bench.sh("osslsigncode", "sign", "-pkcs11engine", ENGINE, "-pkcs11module", MODULE, "-certs", bench.sign_certificate,
                 "-key", uri(SIGN, "private"), "-pass", PASSWORD, "-h", "sha256", "-in", program, "-out", signed,
                 env=env)
        extracted = bench.dir / f"signed-{name}.p7b"
        bench.sh("osslsigncode", "extract-signature", "-in", signed, "-out", extracted)
        said = bench.sh("osslsigncode", "verify", "-CAfile", bench.sign_ca, "-in", signed, ok=False)
        bench.check("Signature verification: ok" in said, said)
    bench.row.always_authenticate = "yes / yes"


def windows_program() -> bytes:
    """The smallest thing that osslsigncode takes for a PE32 program: headers, one empty section."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x14C, 1, 0, 0, 0, 224, 0x102)
    optional = struct.pack("<HBBIIIIIIIII", 0x10B, 0, 0, 512, 0, 0, 0x1000, 0x1000, 0x2000, 0x400000, 0x1000, 512)
    optional += struct.pack("<HHHHHHIIIIHHIIIIII", 4, 0, 0, 0, 4, 0, 0, 0x2000, 512, 0, 3, 0, 0x100000, 0x1000, 0x100000,
                            0x1000, 0, 16) + bytes(128)
    section = b".text\0\0\0" + struct.pack("<IIIIIIHHI", 1, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    headers = dos + coff + optional + section
    return headers.ljust(512, b"\0") + b"\xc3".ljust(512, b"\0")


TEMPLATE = """<?xml version="1.0"?>
<doc><Data>委任状</Data><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo>
<CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/>
<Reference URI=""><Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>
<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/></Reference></SignedInfo>
<SignatureValue/><KeyInfo><X509Data/></KeyInfo></Signature></doc>
"""


@case("xmlsec1", "xmlsec1", "an XML signature by engine and by pkcs11-provider",
      version=lambda: first_line("xmlsec1", "--version"), needs=["xmlsec1"])
def xmlsec1(bench: Bench) -> None:
    """Known not to work with OpenSSL 3; tried each time, so that the table tells when it does."""
    template, signed = bench.file("template.xml", TEMPLATE), bench.dir / "signed.xml"
    tries = [(["--privkey-openssl-engine", f"pkcs11;{uri(AUTH, 'private', PIN)},{bench.auth_certificate}"], engine_env(bench))]
    try:
        key = key_file(bench, "key.pem", uri(AUTH, "private", PIN))
        tries.append((["--privkey-pem", f"{key},{bench.auth_certificate}"], provider_env(bench)))
    except Skipped:
        pass
    for words, env in tries:
        said = bench.sh("xmlsec1", "--sign", *words, "--output", signed, template, env=env, ok=False)
        if signed.exists():
            return verify_xml(bench, signed, bench.auth_ca)
        bench.check("key is not found" in said, said)
    raise Skipped("1.2 with OpenSSL 3 asks a key for its private exponent and takes ours for a public key, whatever the "
                  "module; sign XML with Java (java-xml), verify with xmlsec1")


def verify_xml(bench: Bench, signed: pathlib.Path, authority: pathlib.Path) -> None:
    """xmlsec1, without the module, judges an XML signature and its certificate."""
    said = bench.sh("xmlsec1", "--verify", "--trusted-pem", authority, signed)
    bench.check("OK" in said, said)
