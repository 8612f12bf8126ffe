"""LibreOffice signs a PDF and a text document with the signature certificate, by NSS. Standard library only; the programs that drive it by UNO
are in tests/consumers/libreoffice. LibreOffice has no way to get a password but its own dialog, which they answer."""

from __future__ import annotations

import os
import pathlib
import re
import sys

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
      version=lambda: package("libreoffice-core"), timeout=150, needs=[*NEEDS, "pdfsig"])
def libreoffice(bench: Bench) -> None:
    """The export has the password as an argument, beside the dialog for the login."""
    signed, name = bench.dir / "signed.pdf", signers_database(bench)
    office(bench, name, "sign_pdf.py", signed)
    verify_pdf(bench, signed, bench.sign_ca)
    said = bench.sh("pdfsig", "-nssdir", name, "-no-ocsp", signed)
    bench.check("Signature is Valid" in said and "Total document signed" in said, said)


@case("libreoffice-odf", "LibreOffice: ODF", "a text document signed with the signature certificate in the dialogs of File, Digital Signatures; verified by xmlsec1",
      version=lambda: package("libreoffice-core"), timeout=150, needs=[*NEEDS, "xmlsec1"])
def libreoffice_odf(bench: Bench) -> None:
    """One question for the login and one for the signature. LibreOffice itself finds the signature valid, too."""
    signed = bench.dir / "signed.odt"
    said = office(bench, signers_database(bench), "sign_odf.py", signed)
    bench.check("verdict: validft\n" in said, said)
    verify_odf(bench, signed, bench.sign_certificate, bench.sign_ca)


def office(bench: Bench, name: str, program: str, signed: pathlib.Path) -> str:
    """Starts LibreOffice and lets the program sign with it; returns what that said. LibreOffice logs in to every token that it sees before it
    lists certificates, so it is shown the one that signs."""
    need("/usr/lib/python3/dist-packages/uno.py", "python3-uno")
    screen = Screen(bench.dir)
    try:
        pipe = f"jpki-{os.getpid()}"
        bench.start("soffice", "--norestore", "--nologo", f"-env:UserInstallation=file://{bench.dir}/office", f"--accept=pipe,name={pipe};urp",
                    env={"MOZILLA_CERTIFICATE_FOLDER": name, "DISPLAY": screen.display, "SAL_USE_VCLPLUGIN": "gen", "JPKI_PKCS11_SLOTS": "sign"})
        subject = bench.sh("openssl", "x509", "-in", bench.sign_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
        said = bench.sh("/usr/bin/python3", "-B", HERE / "libreoffice" / program, pipe, subject.split("CN=")[1].split(",")[0].strip(), SIGN, PASSWORD, signed,
                        *([PICTURES] if PICTURES else []), env={"DISPLAY": screen.display}, timeout=100)
    finally:
        bench.close()
        screen.close()
    asked = re.search(r"dialogs: (\d+)", said)
    bench.check(asked and int(asked[1]) >= 1, f"no dialog was seen:\n{said}")
    bench.row.did += f"; {asked[1]} dialog" + ("s" if asked[1] != "1" else "")
    count, logins = bench.counters(), bench.logins()
    bench.check(count["sign_signatures"] == 1 and set(logins) == {"CKR_OK"} and count["sign_verifies"] == len(logins) + 1, f"{count}, {logins}")
    return said
