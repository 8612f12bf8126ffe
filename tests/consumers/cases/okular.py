"""Okular signs a PDF with the signature certificate, by poppler and NSS. Standard library only. Its windows are read and driven on a private screen:
no other way leads to its signature."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

from cases.dialog import dialogs, shown
from cases.nss import signers_database
from support.bench import PASSWORD, Bench, package, wait_for
from support.case import case
from support.documents import pdf, verify_pdf

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser_screen import Screen

PICTURES = os.environ.get("CONSUMERS_PICTURES")
WRONG = "WRONG99"


@case("okular", "Okular", "a PDF signed with the signature certificate by Tools, Digitally Sign, in three ways, one with a wrong password first; verified by OpenSSL and pdfsig",
      version=lambda: package("okular"), timeout=200,
      needs=["okular", "dbus-run-session", "certutil", "modutil", "pdfsig", "Xvfb", "openbox", "xdotool", "tesseract", "import", "convert"])
def okular(bench: Bench) -> None:
    """It tries the empty password before it asks for the one of the key. One document costs three signatures; the first one proves the password."""
    name = signers_database(bench)
    settings = bench.configuration("okular/okular-generator-popplerrc", FOLDER=name.removeprefix("sql:"))
    bench.file("home/.config/okular-generator-popplerrc", settings.read_text())
    signed(bench, name, {}, PASSWORD, WRONG, PASSWORD)
    bench.row.always_authenticate = "yes"
    signed(bench, name, {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}, PASSWORD)
    bench.row.always_authenticate = "yes / yes"
    before = bench.counters()["sign_signatures"]
    # Okular's own dialog for the login comes even so; what is typed there goes nowhere.
    signed(bench, name, dialogs(bench, sign=PASSWORD), "")
    consents = [line for line in shown(bench) if "A signature is requested" in line]
    bench.check(len(consents) == bench.counters()["sign_signatures"] - before, f"dialogs that show a hash: {consents}")
    bench.row.dialog = "yes, after one of its own"
    bench.refused_only("CKR_PIN_INCORRECT", "CKR_FUNCTION_FAILED")


def signed(bench: Bench, name: str, env: dict[str, str], login: str, *passwords: str) -> None:
    """Signs in an Okular of its own and judges the result. `passwords`: what Okular asks for after the login."""
    screen = Screen(bench.dir)
    try:
        run = Okular(bench, screen, env)
        run.sign(login, passwords)
    finally:
        bench.close()
        screen.close()
    verify_pdf(bench, run.signed, bench.sign_ca)
    said = bench.sh("pdfsig", "-nssdir", name, "-no-ocsp", run.signed)
    bench.check("Signature is Valid" in said and "Total document signed" in said, said)


class Okular:
    """One run of Okular, up to a signed document."""

    def __init__(self, bench: Bench, screen: Screen, env: dict[str, str]) -> None:
        self.bench, self.screen = bench, screen
        document = pdf(bench)
        self.signed = document.with_name("document_signed.pdf")
        self.signed.unlink(missing_ok=True)
        bench.start("dbus-run-session", "--", "okular", document, env={"DISPLAY": screen.display, "JPKI_PKCS11_SLOTS": "sign", **env})

    def sign(self, login: str, passwords: tuple[str, ...]) -> None:
        """Signs and saves under the name that Okular proposes."""
        main = self._window("document.pdf")
        self.screen.key(main, "alt+t")
        self.screen.key(main, "d")
        self._answer("Enter Password", "Digital Signature PIN", login)
        wait_for(lambda: self._drawn(main), "Okular takes no rectangle", 40)
        choice = self._window("Select certificate")
        wait_for(lambda: "Digital Signature Certificate" in self.screen.text(choice), "Okular offers another certificate")
        self.screen.key(choice, "Return")
        for password in passwords:
            self._answer("Enter certificate password", "Digital Signature Certificate", password)
            if password == WRONG:
                # poppler gives NSS the same value again as long as NSS hears that it is wrong: the card must see it once.
                self._window("Enter certificate password")
                self.bench.check(self.bench.counters()["sign_tries"] == 4, f"a wrong password: {self.bench.counters()}")
        # If Okular asked for one password more, this window would not come.
        self.screen.key(self._window("Save Signed File As"), "Return")
        opened = self._window("document_signed.pdf")
        if PICTURES and not login:
            self._panel(opened)

    def _drawn(self, main: str) -> list[str]:
        """Draws where the signature goes; what is drawn before Okular asks for it moves the page."""
        self.screen.drag(main, (165, 290), (300, 330), (535, 390))
        time.sleep(2)
        return self._windows("Select certificate")

    def _window(self, title: str) -> str:
        """The window whose title begins so, once it is there."""
        wait_for(lambda: self._windows(title), f"no window: {title}", 40)
        return self._windows(title)[0]

    def _windows(self, title: str) -> list[str]:
        return [number for number, name in self.screen.windows().items() if name.startswith(title)]

    def _answer(self, title: str, words: str, password: str) -> None:
        """Types the password into the dialog of this title, if it asks for this one, and waits until the dialog is closed."""
        window = self._window(title)
        wait_for(lambda: words in self.screen.text(window), f"{title} does not name the {words}")
        if PICTURES and password == WRONG:
            self._picture(window, "okular-password.png")
        self.screen.type(window, password)
        wait_for(lambda: window not in self.screen.windows(), f"{title} stays")

    def _picture(self, window: str, name: str) -> None:
        subprocess.run(["import", "-frame", "-window", window, "-strip", "+dither", "-colors", "32", f"PNG8:{pathlib.Path(PICTURES or '') / name}"],
                       env={**self.bench.env, "DISPLAY": self.screen.display}, check=True, timeout=30)

    def _panel(self, window: str) -> None:
        """The signed document with the panel of its signatures. Okular keeps the width of the panel, so it is for the last run."""
        self.screen.key(window, "alt+p")
        time.sleep(2)
        self.screen.drag(window, (104, 265), (200, 265), (360, 265))
        self.screen.drag(window, (60, 130))
        self.screen.key(window, "asterisk")
        time.sleep(1)
        self._picture(window, "okular-signatures.png")
