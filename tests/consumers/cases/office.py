"""LibreOffice signs a PDF with the signature certificate, by NSS. Standard library only; the program that drives it by UNO is in
tests/consumers/libreoffice. LibreOffice has no way to get a password but its own dialog, which is answered on a screen."""

from __future__ import annotations

import os
import pathlib
import sys
import threading

from cases.nss import database
from support.bench import PASSWORD, SIGN, Bench, need, package, wait_for
from support.case import case
from support.documents import verify_pdf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser_screen import Screen

HERE = pathlib.Path(__file__).resolve().parents[1]
PICTURES = os.environ.get("CONSUMERS_PICTURES")


@case("libreoffice", "LibreOffice", "a text exported as a PDF signed with the signature certificate; verified by OpenSSL and pdfsig",
      version=lambda: package("libreoffice-core"), timeout=150,
      needs=["soffice", "certutil", "modutil", "pdfsig", "Xvfb", "openbox", "xdotool", "tesseract", "import", "convert"])
def libreoffice(bench: Bench) -> None:
    """Its NSS loads the module from a database of its own. It logs in to every token that it sees before it lists certificates, so it is shown
    the one that signs."""
    need("/usr/lib/python3/dist-packages/uno.py", "python3-uno")
    name = database(bench)
    bench.sh("certutil", "-A", "-d", name, "-n", "sign CA", "-t", "C,C,C", "-i", bench.sign_ca)
    screen = Screen(bench.dir)
    try:
        sign(bench, screen, name)
    finally:
        bench.close()
        screen.close()


def sign(bench: Bench, screen: Screen, name: str) -> None:
    """The export, and the dialog that comes of it."""
    signed, pipe = bench.dir / "signed.pdf", f"jpki-{os.getpid()}"
    bench.start("soffice", "--norestore", "--nologo", f"-env:UserInstallation=file://{bench.dir}/office", f"--accept=pipe,name={pipe};urp",
                env={"MOZILLA_CERTIFICATE_FOLDER": name, "DISPLAY": screen.display, "SAL_USE_VCLPLUGIN": "gen", "JPKI_PKCS11_SLOTS": "sign"})
    subject = bench.sh("openssl", "x509", "-in", bench.sign_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    words = ["/usr/bin/python3", HERE / "libreoffice/sign_pdf.py", pipe, subject.split("CN=")[1].split(",")[0].strip(), PASSWORD, signed]
    errors: list[Exception] = []

    def export() -> None:
        try:
            bench.sh(*words, timeout=100)
        except Exception as error:  # noqa: BLE001  told by the case's own thread
            errors.append(error)

    work = threading.Thread(target=export)
    work.start()
    asked = 0
    while work.is_alive():
        for window, title in screen.windows().items():
            if "assword" in title and SIGN.split(" (")[0] in screen.text(window):
                if PICTURES and not asked:
                    screen.picture(window, str(pathlib.Path(PICTURES) / "libreoffice-password.png"))
                screen.type(window, PASSWORD)
                asked += 1
                wait_for(lambda window=window: window not in screen.windows(), "the dialog stays")
        work.join(0.5)
    if errors:
        raise errors[0]
    bench.check(asked >= 1, "no dialog was seen")
    bench.row.did += f"; {asked} dialog" + ("s" if asked > 1 else "")
    verify_pdf(bench, signed, bench.sign_ca)
    said = bench.sh("pdfsig", "-nssdir", name, "-no-ocsp", signed)
    bench.check("Signature is Valid" in said and "Total document signed" in said, said)
    bench.check(bench.counters()["sign_signatures"] == 1, f"{bench.counters()}")
