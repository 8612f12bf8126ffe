"""The tools of NSS, which is what Firefox and Thunderbird are made of, and poppler's pdfsig. Standard library
only. PINs stand in a file by token label: a bare line would go to every token."""

from __future__ import annotations

import pathlib
import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, Bench, first_line, free_port, package, wait_for_port
from support.case import Failed, case
from support.documents import pdf, verify_cms, verify_pdf
from support.tls import both_versions, mark, server_certificate

GET = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}
AUTH_NAME = f"{AUTH}:User Authentication Certificate"
SIGN_NAME = f"{SIGN}:Digital Signature Certificate"


def nss() -> str:
    """Version of the tools."""
    return package("libnss3-tools")


def database(bench: Bench) -> str:
    """A certificate database with our module in it, made as a person would."""
    folder = bench.dir / "nssdb"
    folder.mkdir()
    name = f"sql:{folder}"
    bench.sh("certutil", "-N", "-d", name, "--empty-password")
    bench.sh("modutil", "-dbdir", name, "-force", "-add", "My Number card", "-libfile", MODULE)
    certificate, _ = server_certificate(bench.dir)
    bench.sh("certutil", "-A", "-d", name, "-n", "localhost", "-t", "CP,,", "-i", certificate)
    return name


def signers_database(bench: Bench) -> str:
    """The same, which trusts the issuer of the signature certificate too."""
    name = database(bench)
    bench.sh("certutil", "-A", "-d", name, "-n", "sign CA", "-t", "C,C,C", "-i", bench.sign_ca)
    return name


def pins(bench: Bench) -> pathlib.Path:
    """Each token's PIN by its label."""
    return bench.file("pins", f"{AUTH}:{PIN}\n{SIGN}:{PASSWORD}\nno other token:\n")


@case("nss-modutil", "modutil, certutil", "module added, listed and taken out; certificates and keys of both tokens listed",
      version=nss, needs=["modutil", "certutil"])
def modutil(bench: Bench) -> None:
    """Before a login the authentication certificate is there; the signature certificate only after one."""
    name = database(bench)
    listed = bench.sh("modutil", "-dbdir", name, "-list")
    for words in ("My Number card", f"token: {AUTH}", f"token: {SIGN}"):
        bench.check(words in listed, f"modutil -list does not name {words}:\n{listed}")
    before = bench.sh("certutil", "-L", "-d", name, "-h", AUTH, "-f", pins(bench))
    bench.check(AUTH_NAME in before and re.search(rf"{re.escape(AUTH_NAME)}\s+u,u,u", before),
                f"certutil sees no certificate with a key:\n{before}")
    for token, certificate in ((AUTH, AUTH_NAME), (SIGN, SIGN_NAME)):
        keys = bench.sh("certutil", "-K", "-d", name, "-h", token, "-f", pins(bench))
        bench.check("rsa" in keys, f"no key on {token}:\n{keys}")
        shown = bench.sh("certutil", "-L", "-d", name, "-h", token, "-f", pins(bench))
        bench.check(certificate in shown, f"no certificate on {token}:\n{shown}")
    bench.sh("modutil", "-dbdir", name, "-force", "-delete", "My Number card")
    bench.check("My Number card" not in bench.sh("modutil", "-dbdir", name, "-list"), "the module was not taken out")


@case("nss-tstclnt", "tstclnt, selfserv", "TLS login with the authentication certificate, at OpenSSL's server and at NSS's",
      version=nss, needs=["tstclnt", "selfserv", "certutil", "pk12util"])
def tstclnt(bench: Bench) -> None:
    """NSS on both ends for the second part."""
    name = database(bench)

    def client(port: int, version: str) -> str:
        # With the request on standard input it waits for ever after the answer, with any module.
        return bench.sh("tstclnt", "-4", "-h", "localhost", "-p", str(port), "-d", name, "-n", AUTH_NAME, "-W", pins(bench),
                        "-V", f"tls{version}:tls{version}", "-A", bench.file("request", GET))

    both_versions(bench, lambda site: client(site.port, site.version))
    common = re.search(r"CN ?= ?(\w+)", bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject"))
    bench.check(common, "the certificate has no name")
    server = selfserv_database(bench)
    for version in ("1.2", "1.3"):
        port = free_port()
        # NSS as a server takes the critical policies of a JPKI certificate for an unknown extension without this.
        log = bench.start("selfserv", "-d", server, "-n", "localhost", "-p", str(port), "-r", "-r", "-v",
                          "-V", f"tls{version}:tls{version}", env={"NSS_ENABLE_PKIX_VERIFY": "1"}, name=f"selfserv-{version}")
        wait_for_port(port)
        said = client(port, version)
        heard = log.read_text(errors="replace")
        if common.group(1) not in heard:
            mark(bench, version, "no")
            raise Failed(f"selfserv saw no certificate:\n{heard}\n{said}")
        bench.stop_last()


def selfserv_database(bench: Bench) -> str:
    """Key and certificate of the server, and the authority of the card, without our module."""
    folder = bench.dir / "serverdb"
    folder.mkdir()
    name = f"sql:{folder}"
    certificate, key = server_certificate(bench.dir)
    bundle = bench.dir / "server.p12"
    bench.sh("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "localhost", "-passout", "pass:x",
             "-out", bundle)
    bench.sh("certutil", "-N", "-d", name, "--empty-password")
    bench.sh("pk12util", "-d", name, "-i", bundle, "-W", "x")
    bench.sh("certutil", "-A", "-d", name, "-n", "card CA", "-t", "CT,C,C", "-i", bench.auth_ca)
    return name


@case("nss-cmsutil", "cmsutil", "a CMS message signed with the signature certificate",
      version=nss, needs=["cmsutil", "certutil"])
def cmsutil(bench: Bench) -> None:
    """NSS asks for the password once more for the signature, by itself."""
    name, document, signature = signers_database(bench), bench.document(), bench.dir / "message.p7s"
    for env in ({}, NO):
        signature.unlink(missing_ok=True)
        # Its exit status tells of the shutdown, not of the signature.
        said = bench.sh("cmsutil", "-S", "-d", name, "-N", SIGN_NAME, "-T", "-i", document, "-o", signature, "-f", pins(bench),
                        "-Y", "NONE", "-u", "0", "-H", "SHA256", env=env, ok=False)
        bench.check(signature.exists() and signature.stat().st_size, f"no message:\n{said}")
        verify_cms(bench, signature, document, bench.sign_ca)
    bench.row.always_authenticate = "yes / yes"


@case("pdfsig", "pdfsig (poppler, NSS)", "a PDF signed with the signature certificate",
      version=lambda: first_line("pdfsig", "-v"), needs=["pdfsig", "certutil"])
def pdfsig(bench: Bench) -> None:
    """It has one password for all tokens and offers it to both: with both tokens visible no try may be
    lost, with the signature token alone it signs."""
    name, document, signed = signers_database(bench), pdf(bench), bench.dir / "signed.pdf"
    found = []
    for env in ({}, {"JPKI_PKCS11_SLOTS": "sign"}, {"JPKI_PKCS11_SLOTS": "sign", **NO}):
        signed.unlink(missing_ok=True)
        bench.sh("pdfsig", document, signed, "-add-signature", "-nss-pwd", PASSWORD, "-kpw", PASSWORD, "-nssdir", name.removeprefix("sql:"),
                 "-nick", SIGN_NAME, "-digest", "SHA256", env=env, ok=False)
        found.append(signed.exists())
        if signed.exists():
            verify_pdf(bench, signed, bench.sign_ca)
    bench.check(found[1] and found[2], f"signed with both tokens, sign token alone, and `no`: {found}")
    bench.row.always_authenticate = "yes, with -kpw / yes"
    # Without -kpw it answers NSS's second question with an empty password, again and again: the module
    # must end that.
    bench.sh("pdfsig", document, signed, "-add-signature", "-nss-pwd", PASSWORD, "-nssdir", name.removeprefix("sql:"),
             "-nick", SIGN_NAME, env={"JPKI_PKCS11_SLOTS": "sign"}, ok=False, timeout=20)
    bench.row.did += ("" if found[0] else ', with `slots = "sign"` (with both tokens pdfsig gives up: it has one password for all)')
    bench.refused_only("CKR_PIN_INCORRECT", "CKR_FUNCTION_FAILED")
