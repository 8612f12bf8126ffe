#!/usr/bin/env python3
"""Chromium logs in to web sites with the card, through ~/.pki/nssdb. It runs on a screen of its own; its
dialogs are read from the pixels and answered with keys, as a person does.

    python3 tests/consumers/chromium.py

Starts its own virtual card (tests/virtual-pcscd). One line of JSON for each case on the standard
output. Root's Chromium runs without its sandbox, anybody else's with it. CONSUMERS_KEEP=1 keeps profiles
and logs; CONSUMERS_PICTURES=docs/pictures renews the pictures.
"""

import os
import pathlib
import subprocess
import sys
import time

from browser_card import (AUTHENTICATION, CONFIGURATION, MODULE, PASSWORD, PIN, SIGNATURE,
                          Rows, beside_a_virtual_card, check, need, nss_database, version_of, workspace)
from browser_desk import Desk
from browser_firefox import environment
from browser_screen import Screen
from browser_site import fingerprint_of

PROGRAM = "/usr/lib/chromium/chromium"
OPTIONS = ["--no-first-run", "--no-default-browser-check", "--password-store=basic", "--disable-gpu",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"]
DIALOG = "Unlock Security Device"
WRONG_PIN = "9999"
STARTS = 10


class Chromium:
    """One running Chromium."""

    def __init__(self, desk, name, options=(), **settings):
        self.desk = desk
        self.log = desk.folder / f"{name}.log"
        self._command = [PROGRAM, f"--user-data-dir={desk.folder / name}", *OPTIONS, *options]
        if os.getuid() == 0:
            self._command.append("--no-sandbox")
        self._environment = environment(desk.home, DISPLAY=desk.screen.display, **settings)
        self.process = None

    def open(self, url):
        """Opens a page: starts Chromium, or gives the address to the one that runs."""
        with open(self.log, "a", encoding="utf-8") as log:
            started = subprocess.Popen([*self._command, url], env=self._environment, stdout=log,
                                       stdin=subprocess.DEVNULL, stderr=log)
        if self.process is None:
            self.process = started
        else:
            started.wait(30)

    def attend(self, site, pins, passwords=(), seconds=60):
        """Answers dialogs until somebody has logged in to the site. The tokens whose PIN was asked
        for. A dialog that cannot be read, or has no answer left, is cancelled."""
        screen, before = self.desk.screen, len(site.arrivals)
        answers = {AUTHENTICATION: list(pins), SIGNATURE: list(passwords)}
        asked, end = [], time.monotonic() + seconds
        while len(site.arrivals) == before:
            if time.monotonic() > end:
                raise TimeoutError(f"no login within {seconds} s; PIN dialogs: {asked}; "
                                   f"the screen: {screen.text()}")
            status = self.process.poll()
            check(status is None, f"Chromium ended with {status}")
            windows = screen.windows()
            dialogs = [number for number, title in windows.items() if title == DIALOG]
            if dialogs:
                asked.append(self._answer(dialogs[0], answers))
            elif windows and "Select a certificate" in screen.text():
                screen.key(next(iter(windows)), "Return")
                time.sleep(0.5)
            else:
                time.sleep(0.2)
        return asked

    def _answer(self, window, answers):
        screen = self.desk.screen
        time.sleep(0.5)
        text = screen.text(window)
        named = [token for token in answers if token in text]
        given = answers[named[0]] if len(named) == 1 else []
        if given:
            screen.picture(name="pin-dialog.png")
            screen.type(window, given.pop(0))
        else:
            screen.key(window, "Escape")
        for _ in range(50):
            if window not in screen.windows():
                break
            time.sleep(0.1)
        return named[0] if len(named) == 1 else f"unreadable: {text}"

    def quit(self):
        """Ends Chromium as a session does; the exit status."""
        if self.process is None:
            return None
        self.process.terminate()
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class ChromiumDesk(Desk):
    """With a screen and a home whose NSS database knows the module."""

    def __init__(self, folder):
        super().__init__(folder)
        self.screen = Screen(folder)
        self.home = self.folder / "home"
        nss_database(self.home / ".pki" / "nssdb", self.authority.certificate)
        # What a person runs, with the module under test.
        subprocess.run(["sh", str(CONFIGURATION / "chromium" / "register.sh"), str(MODULE)],
                       env={**os.environ, "HOME": str(self.home)}, check=True, capture_output=True)

    def close(self):
        """Ends the screen too."""
        super().close()
        self.screen.close()


def log_in(desk, browser, site, pins):
    """Opens a site and checks that the card's certificate arrived there. The PIN dialogs seen."""
    before = len(site.arrivals)
    browser.open(site.url)
    asked = browser.attend(site, pins)
    arrived = site.arrivals[before:]
    check({one.fingerprint for one in arrived} == {desk.wanted}, "another certificate arrived")
    check(arrived[0].version == "TLSv" + site.version, f"came over {arrived[0].version}")
    check(SIGNATURE not in asked, "the signature password was asked for")
    return asked


def logins(desk, rows):
    """One Chromium from start to end."""
    before = desk.card.apdus()
    browser = Chromium(desk, "logins")
    first = desk.site("1.3")
    try:
        with rows.case("module by ~/.pki/nssdb; login, server announces no CA names", "1.3") as notes:
            asked = log_in(desk, browser, first, [PIN])
            notes.append({"logins": len(asked)})
            check(asked == [AUTHENTICATION], f"PIN dialogs: {asked}")
            name = pathlib.Path(os.readlink(f"/proc/{browser.process.pid}/exe")).name
            check(name == "chromium", name)
            notes.append({"note": f"{desk.card.apdus() - before} APDUs from the start of Chromium; "
                                  f"executable {name}"})
            time.sleep(1)
            desk.keep_picture("chromium-logged-in.png", desk.screen.picture().read_bytes())
            desk.keep_picture("chromium-pin.png", (desk.folder / "pin-dialog.png").read_bytes())
        for version, announcing in (("1.2", False), ("1.2", True), ("1.3", True)):
            says = "server announces CA names" if announcing else "server announces no CA names"
            with rows.case(f"another site, no PIN dialog; {says}", version):
                site = desk.announcing_site(version) if announcing else desk.site(version)
                asked = log_in(desk, browser, site, [])
                check(asked == [], f"PIN dialogs: {asked}")
        with rows.case("idle for a minute") as notes:
            time.sleep(5)
            quiet = desk.card.apdus()
            time.sleep(60)
            quiet = desk.card.apdus() - quiet
            check(quiet == 0, f"{quiet} APDUs")
            notes.append({"note": "0 APDUs"})
        with rows.case("card taken out and put back: PIN again", "1.3") as notes:
            desk.card.remove()
            seen = len(first.failures)
            browser.open(first.url)
            time.sleep(5)
            check(len(first.failures) > seen, "no attempt without the card")
            desk.card.insert()
            asked = log_in(desk, browser, first, [PIN])
            notes.append({"logins": len(asked)})
            check(asked == [AUTHENTICATION], f"PIN dialogs: {asked}")
    finally:
        status = browser.quit()
    with rows.case("Chromium ends without a crash"):
        check(status == 0, f"exit status {status}")


def wrong_pin(desk, rows):
    """A wrong PIN, then the right one."""
    browser = Chromium(desk, "wrong-pin")
    try:
        with rows.case("wrong PIN, then right; server announces CA names", "1.2") as notes:
            before = desk.card.counters()
            asked = log_in(desk, browser, desk.announcing_site("1.2"), [WRONG_PIN, PIN])
            notes.append({"logins": len(asked)})
            check(asked == [AUTHENTICATION] * 2, f"PIN dialogs: {asked}")
            after = desk.card.counters()
            check(after["auth_tries"] == 3 and after["sign_verifies"] == 0, str(after))
            # Wrong one, login, signature.
            sent = after["auth_verifies"] - before["auth_verifies"]
            notes.append({"note": f"{sent} PINs sent to the card"})
    finally:
        browser.quit()


def by_dialog(desk, rows):
    """Chromium asks all the same, and NSS passes nothing of what is typed there: the module asks then."""
    settings, shown = desk.dialogs()
    browser = Chromium(desk, "dialog", **settings)
    try:
        with rows.case("PIN dialog of the module", "1.3"):
            asked = log_in(desk, browser, desk.site("1.3"), ["anything"])
            check(asked == [AUTHENTICATION], f"Chromium's own dialogs: {asked}")
            check(len(shown.read_text().splitlines()) == 1, shown.read_text())
    finally:
        browser.quit()


def both_tokens(desk, rows):
    """Somebody shows Chromium both tokens: the signature certificate, which holds name and address,
    must not leave without a login to its own token on purpose."""
    for version in ("1.3", "1.2"):
        with rows.case("slots=both, no CA names, signature password not given: the signature "
                       "certificate is not sent", version) as notes:
            before = desk.card.counters()
            arrived, asked = offer_everything(desk, version, "both", [PIN], [])
            # Chromium 156 takes every PIN for cancelled once one dialog was: it does not log in.
            notes.append({"logins": len(asked), "note": f"dialogs: {', '.join(asked)}; " + (
                "then logged in" if desk.wanted in arrived else "then no login at all")})
            check(arrived and arrived <= {None, desk.wanted}, f"arrived: {arrived}")
            after = desk.card.counters()
            check(all(before[key] == after[key] for key in before if key.startswith("sign_")),
                  f"the signature key was used: {before} {after}")
    # That the test would see it: the signature token alone, and its password given.
    with rows.case("slots=sign, signature password given on purpose: it is sent", "1.3") as notes:
        arrived, asked = offer_everything(desk, "1.3", "sign", [], [PASSWORD] * 3)
        notes.append({"logins": len(asked), "note": f"dialogs: {', '.join(asked)}"})
        check(arrived == {fingerprint_of(desk.card.signature)}, f"arrived: {arrived}; {asked}")


def offer_everything(desk, version, slots, pins, passwords):
    """Visits a site that takes the certificates of both CAs, or none, and names no CA. What arrived,
    and whose PINs were asked for."""
    site = desk.site(version, authorities=[desk.card.authentication_ca, desk.card.signature_ca],
                     required=False)
    browser = Chromium(desk, f"{slots}-{version}", JPKI_PKCS11_SLOTS=slots)
    try:
        browser.open(site.url)
        asked = browser.attend(site, pins, passwords)
        time.sleep(1)
        return {one.fingerprint for one in site.arrivals}, asked
    finally:
        browser.quit()


def ten_starts(desk, rows):
    """Starts, logs in, ends; ten times."""
    crashes, seconds = [], []
    with rows.case(f"{STARTS} starts with a login each, crashes counted", "1.3") as notes:
        site = desk.site("1.3")
        for number in range(STARTS):
            browser, started = Chromium(desk, f"start-{number}"), time.monotonic()
            try:
                asked = log_in(desk, browser, site, [PIN])
                check(asked == [AUTHENTICATION], f"start {number}: PIN dialogs: {asked}")
                seconds.append(time.monotonic() - started)
            finally:
                status = browser.quit()
            if status != 0:
                crashes.append(f"start {number}: exit status {status}")
        notes.append({"logins": STARTS, "note": f"{len(crashes)} crashes; start to login "
                      f"{min(seconds):.1f} to {max(seconds):.1f} s with the reading of the screen"})
        check(not crashes, "; ".join(crashes))


def main():
    beside_a_virtual_card()
    need("certutil", "modutil", "openssl", "Xvfb", "openbox", "xdotool", "tesseract", "import", PROGRAM)
    with workspace("chromium") as folder:
        desk = ChromiumDesk(folder)
        rows = Rows("Chromium", version_of(PROGRAM), desk.card)
        wanted = sys.argv[1:]
        try:
            for part in (logins, wrong_pin, by_dialog, both_tokens, ten_starts):
                if not wanted or part.__name__ in wanted:
                    part(desk, rows)
        finally:
            desk.close()
    return rows.finish()


if __name__ == "__main__":
    sys.exit(main())
