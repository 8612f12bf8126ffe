"""LibreOffice signs a PDF and a text document with the signature certificate, by NSS. Standard library only; the programs that drive it by UNO
are in tests/consumers/libreoffice. LibreOffice has no way to get a password but its own dialog, which they answer."""

from __future__ import annotations

import os
import pathlib
import re
import sys
from collections.abc import Callable

from cases.dialog import signs
from cases.nss import signers_database
from support.bench import PASSWORD, SIGN, Bench, need, package
from support.case import case
from support.documents import verify_odf, verify_pdf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser_screen import Screen

HERE = pathlib.Path(__file__).resolve().parents[1]
PICTURES = os.environ.get("CONSUMERS_PICTURES")
NEEDS = ["soffice", "certutil", "modutil", "Xvfb", "openbox"]


@case("libreoffice", "LibreOffice: PDF", "a text exported as a PDF signed with the signature certificate; verified by OpenSSL and pdfsig",
      version=lambda: package("libreoffice-core"), timeout=200, needs=[*NEEDS, "pdfsig"])
def libreoffice(bench: Bench) -> None:
    """The export has the password as an argument, beside the dialog for the login."""
    signed, name = bench.dir / "signed.pdf", signers_database(bench)

    def work(env: dict[str, str], password: str) -> None:
        office(bench, name, "sign_pdf.py", signed, env, password)
        verify_pdf(bench, signed, bench.sign_ca)
        said = bench.sh("pdfsig", "-nssdir", name, "-no-ocsp", signed)
        bench.check("Signature is Valid" in said and "Total document signed" in said, said)

    both_dialogs(bench, work)


@case("libreoffice-odf", "LibreOffice: ODF", "a text document signed with the signature certificate in the dialogs of File, Digital Signatures; verified by xmlsec1",
      version=lambda: package("libreoffice-core"), timeout=200, needs=[*NEEDS, "xmlsec1"])
def libreoffice_odf(bench: Bench) -> None:
    """One question for the login and one for the signature. LibreOffice itself finds the signature valid, too."""
    signed, name = bench.dir / "signed.odt", signers_database(bench)

    def work(env: dict[str, str], password: str) -> None:
        said = office(bench, name, "sign_odf.py", signed, env, password)
        bench.check("verdict: validft\n" in said, said)
        verify_odf(bench, signed, bench.sign_certificate, bench.sign_ca)

    both_dialogs(bench, work)


def both_dialogs(bench: Bench, work: Callable[[dict[str, str], str], None]) -> None:
    """LibreOffice asks for the password; then the module does. LibreOffice's dialog for the login comes even so, and what is typed there goes nowhere."""
    work({}, PASSWORD)
    signs(bench, 1, lambda env: work(env, "anything"))
    bench.refused_only()
    # Two logins and a signature; a login and a signature.
    bench.check(bench.counters()["sign_verifies"] == 5, f"{bench.counters()}")
    bench.row.dialog = "yes, after one of its own"


def office(bench: Bench, name: str, program: str, signed: pathlib.Path, env: dict[str, str], password: str) -> str:
    """Starts LibreOffice and lets the program sign with it; returns what that said. LibreOffice logs in to every token that it sees before it
    lists certificates, so it is shown the one that signs."""
    need("/usr/lib/python3/dist-packages/uno.py", "python3-uno")
    signed.unlink(missing_ok=True)
    before = bench.counters()["sign_signatures"]
    screen = Screen(bench.dir)
    try:
        pipe = f"jpki-{os.getpid()}"
        bench.start("soffice", "--norestore", "--nologo", f"-env:UserInstallation=file://{bench.dir}/office", f"--accept=pipe,name={pipe};urp",
                    env={"MOZILLA_CERTIFICATE_FOLDER": name, "DISPLAY": screen.display, "SAL_USE_VCLPLUGIN": "gen", "JPKI_PKCS11_SLOTS": "sign", **env})
        subject = bench.sh("openssl", "x509", "-in", bench.sign_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
        said = bench.sh("/usr/bin/python3", "-B", HERE / "libreoffice" / program, pipe, subject.split("CN=")[1].split(",")[0].strip(), SIGN, password, signed,
                        *([PICTURES] if PICTURES else []), env={"DISPLAY": screen.display}, timeout=100)
    finally:
        bench.close()
        screen.close()
    asked = re.search(r"dialogs: (\d+)", said)
    bench.check(asked and int(asked[1]) >= 1, f"no dialog was seen:\n{said}")
    bench.check(bench.counters()["sign_signatures"] == before + 1, f"{bench.counters()}")
    return said
