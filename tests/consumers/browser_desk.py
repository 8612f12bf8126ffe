"""What the tests of all browsers lay out before they begin: the card and the sites. It never starts a
browser."""

import os
import pathlib
import shlex
import subprocess
import sys

from browser_card import PIN, Card, check
from browser_site import AnnouncingSite, Authority, Site, fingerprint_of


class Desk:
    """The card, a certificate authority for the sites, and the sites."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.card = Card()
        self.authority = Authority(self.folder / "authority")
        self.wanted = fingerprint_of(self.card.authentication)
        self.sites = []

    def site(self, version, **more):
        """A site whose client certificates are those of the authentication CA."""
        more.setdefault("authorities", [self.card.authentication_ca])
        self.sites.append(Site(self.authority, version, **more))
        return self.sites[-1]

    def announcing_site(self, version):
        """One that says so in its handshake."""
        self.sites.append(AnnouncingSite(self.authority, version, [self.card.authentication_ca]))
        return self.sites[-1]

    def dialogs(self, **answers):
        """Settings with which the module asks for PINs itself, by a scripted pinentry, and the file in which that writes
        down each dialog. `answers`: besides that of the authentication PIN."""
        log, program = self.folder / "dialogs", self.folder / "pinentry"
        script = pathlib.Path(__file__).resolve().parent / "cases/_pinentry.py"
        line = shlex.join([sys.executable, str(script), str(log), "--often", f"authentication PIN={PIN}",
                           *(f"{words}={answer}" for words, answer in answers.items())])
        program.write_text(f"#!/bin/sh\nexec {line}\n")
        program.chmod(0o700)
        return {"JPKI_PKCS11_PIN_ENTRY": "dialog", "JPKI_PKCS11_PINENTRY_PROGRAM": str(program),
                "JPKI_PKCS11_LANGUAGE": "en"}, log

    def close(self):
        """Closes all sites."""
        for site in self.sites:
            site.close()

    def keep_picture(self, name, png):
        """Checks that a picture shows something, and writes it into the folder CONSUMERS_PICTURES, if
        there is one, with few colours to be small."""
        raw = self.folder / name
        raw.write_bytes(png)
        check(raw.stat().st_size > 5000, f"{name} shows nothing")
        folder = os.environ.get("CONSUMERS_PICTURES")
        if folder:
            subprocess.run(["convert", str(raw), "-strip", "+dither", "-colors", "32",
                            f"PNG8:{pathlib.Path(folder) / name}"], check=True)
