#!/usr/bin/env python3
"""Firefox ESR logs in to web sites with the card: module by policy and by modutil, TLS 1.2 and 1.3.

    python3 tests/consumers/firefox.py

Starts its own virtual card (tests/virtual-pcscd). One line of JSON for each case on the standard
output. CONSUMERS_KEEP=1 keeps the profiles and logs; CONSUMERS_PICTURES=docs/pictures renews the
pictures.
"""

import os
import pathlib
import sys
import time

from browser_card import (AUTHENTICATION, CONFIGURATION, INSTALLED_MODULE, MODULE, PASSWORD,
                          PIN, SIGNATURE, Rows, add_module, beside_a_virtual_card, check, need,
                          nss_database, version_of, wait_for, workspace)
from browser_desk import Desk
from browser_firefox import Browser, environment
from browser_site import fingerprint_of

PROGRAM = "/usr/lib/firefox-esr/firefox-esr"
# Firefox also reads /etc/firefox/policies/policies.json; this folder is there after the installation,
# so that a private copy can be laid over it without touching the machine.
POLICIES = "/usr/share/firefox-esr/distribution"
PREFERENCES = {
    "marionette.port": 0,
    "app.normandy.enabled": False, "datareporting.policy.dataSubmissionEnabled": False,
    "browser.aboutwelcome.enabled": False, "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore", "browser.tabs.warnOnClose": False,
    "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
    "network.http.speculative-parallel-limit": 0, "extensions.update.enabled": False,
    "services.settings.server": "data:,", "toolkit.telemetry.server": "data:,",
}
CHOOSE = ("certificate", AUTHENTICATION, ["ok"] * 20)
WRONG_PIN = "9999"
NOTHING = "(?!)"  # matches no title


class FirefoxDesk(Desk):
    """With profiles, and Firefoxes that use them."""

    def profile(self, name, **preferences):
        """A profile that trusts the sites."""
        folder = self.folder / name
        nss_database(folder, self.authority.certificate)
        lines = [f"user_pref({text(key)}, {text(value)});\n"
                 for key, value in {**PREFERENCES, **preferences}.items()]
        (folder / "user.js").write_text("".join(lines))
        return folder

    def start(self, profile, policies=None, **settings):
        """A running Firefox."""
        command = [PROGRAM]
        if policies:
            command = ["unshare", "--map-root-user", "--mount", "sh", "-c",
                       f'mount --bind "$1" {POLICIES} && shift && exec "$@"', "sh", str(policies),
                       PROGRAM]
        return Browser(command, profile, environment(self.folder / "home", **settings),
                       self.folder / f"{profile.name}.log")


def text(value):
    """A value as JavaScript writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else '"' + value + '"'


def pins_asked(browser):
    """The tokens whose PIN was asked for, in order."""
    return [token for dialog in browser.dialogs() if dialog["kind"] == "common"
            for token in (AUTHENTICATION, SIGNATURE) if f"({token})" in dialog["text"]]


def log_in(desk, browser, site, answers):
    """Visits a site and checks that the card's certificate arrived there. The PIN dialogs seen."""
    browser.blank()
    browser.rules(CHOOSE, ("common", AUTHENTICATION, list(answers)))
    before = len(site.arrivals)
    title = browser.visit(site.url, "ogged in")
    check(title == "Logged in", f"{title}; {site.failures[-3:]}")
    arrived = site.arrivals[before:]
    check([one.fingerprint for one in arrived] == [desk.wanted], "another certificate arrived")
    check(arrived[0].version == "TLSv" + site.version, f"came over {arrived[0].version}")
    asked = pins_asked(browser)
    check(SIGNATURE not in asked, "the signature password was asked for")
    return asked


def executable(browser):
    """The name by which the module knows the program."""
    return pathlib.Path(os.readlink(f"/proc/{browser.process.pid}/exe")).name


def modules(browser):
    """Modules, and the slots and tokens of each."""
    return browser.chrome("""
        const done = arguments[arguments.length - 1];
        Cc["@mozilla.org/security/pkcs11moduledb;1"].getService(Ci.nsIPKCS11ModuleDB).listModules()
          .then(all => done(Array.from(all, one => [one.name, one.libName,
                            Array.from(one.slots, slot => [slot.name, slot.tokenName])])));
        """, wait=True)


def device_manager(browser):
    """Opens the device manager as the button of the settings does, with the card's slot selected."""
    browser.visit("about:preferences#privacy", "")
    browser.chrome("""const pane = () => gBrowser.selectedBrowser.contentWindow;
                      pane().gPrivacyPane.showSecurityDevices();""")
    shown = lambda: browser.chrome("""
        const frame = gBrowser.selectedBrowser.contentDocument.querySelector("browser.dialogFrame, iframe.dialogFrame");
        const tree = frame && frame.contentDocument && frame.contentDocument.getElementById("device_tree");
        if (!tree || !tree.view) return "";
        for (let row = 0; row < tree.view.rowCount; row++) {
            const name = tree.view.getCellText(row, tree.columns[0]);
            if (name.includes("(User Authentication)")) {
                tree.view.selection.select(row);
                return name;
            }
        }
        return "";""")
    name = wait_for("the device manager", shown)
    time.sleep(1)
    return name


def by_policy(desk, rows):
    """The module comes by policies.json: as the file is, with the path of the module under test."""
    policies = desk.folder / "policies"
    policies.mkdir()
    given = (CONFIGURATION / "firefox" / "policies.json").read_text()
    check(INSTALLED_MODULE in given, "policies.json names another path")
    (policies / "policies.json").write_text(given.replace(INSTALLED_MODULE, str(MODULE)))
    before = desk.card.apdus()
    browser = desk.start(desk.profile("policy"), policies)
    try:
        with rows.case("module by policies.json; the browser sees the authentication token alone") as notes:
            found = [one for one in modules(browser) if one[1] == str(MODULE)]
            check(len(found) == 1, "the module is not loaded")
            tokens = [token for _, token in found[0][2] if token]
            check(tokens == [AUTHENTICATION], f"tokens: {tokens}")
            check(executable(browser) == "firefox-esr", executable(browser))
            notes.append({"note": f"executable {executable(browser)}"})
        first = desk.site("1.3")
        with rows.case("login, server announces no CA names", "1.3") as notes:
            asked = log_in(desk, browser, first, [PIN])
            notes.append({"logins": len(asked)})
            check(asked == [AUTHENTICATION], f"PIN dialogs: {asked}")
            notes.append({"note": f"{desk.card.apdus() - before} APDUs from the start of Firefox"})
            desk.keep_picture("firefox-logged-in.png", browser.picture(height=400))
        with rows.case("second site, no PIN dialog", "1.2") as notes:
            check(log_in(desk, browser, desk.site("1.2"), []) == [], "the PIN was asked for again")
        with rows.case("idle for a minute") as notes:
            browser.blank()
            time.sleep(5)
            quiet = desk.card.apdus()
            time.sleep(60)
            quiet = desk.card.apdus() - quiet
            check(quiet == 0, f"{quiet} APDUs")
            notes.append({"note": "0 APDUs"})
        with rows.case("card taken out and put back: PIN again", "1.3") as notes:
            desk.card.remove()
            browser.blank()
            browser.rules(CHOOSE, ("common", AUTHENTICATION, [PIN]))
            refused = browser.visit(first.url, NOTHING)
            check(pins_asked(browser) == [], "PIN asked for without a card")
            desk.card.insert()
            asked = log_in(desk, browser, first, [PIN])
            notes.append({"logins": len(asked)})
            check(asked == [AUTHENTICATION], f"PIN dialogs: {asked}")
            notes.append({"note": "without the card " + refused})
        with rows.case("device manager") as notes:
            notes.append({"note": device_manager(browser)})
            desk.keep_picture("firefox-device-manager.png", browser.picture())
    finally:
        status = browser.quit()
    with rows.case("Firefox ends without a crash"):
        check(status == 0, f"exit status {status}")


def by_modutil(desk, rows):
    """The module comes by modutil."""
    profile = desk.profile("modutil")
    add_module(profile, MODULE)
    browser = desk.start(profile)
    try:
        with rows.case("module by modutil; wrong PIN, then right; server announces CA names", "1.2") as notes:
            site, before = desk.announcing_site("1.2"), desk.card.counters()
            browser.rules(CHOOSE, ("common", AUTHENTICATION, [WRONG_PIN]))
            # The second dialog has no answer left and is cancelled: no title will do, only an error.
            browser.visit(site.url, NOTHING)
            wrong = desk.card.counters()
            check(before["auth_tries"] - wrong["auth_tries"] == 1, f"{before} {wrong}")
            asked = log_in(desk, browser, site, [WRONG_PIN, PIN])
            notes.append({"logins": len(asked)})
            after = desk.card.counters()
            check(after["auth_tries"] == 3 and after["sign_verifies"] == 0, str(after))
            check(asked == [AUTHENTICATION] * 2, f"PIN dialogs: {asked}")
            notes.append({"note": "the same wrong PIN twice cost one try"})
        with rows.case("second site, no PIN dialog; server announces CA names", "1.3"):
            asked = log_in(desk, browser, desk.announcing_site("1.3"), [])
            check(asked == [], "the PIN was asked for again")
    finally:
        browser.quit()


def by_dialog(desk, rows):
    """The module asks for the PIN itself; Firefox shows no dialog of its own."""
    profile = desk.profile("dialog")
    add_module(profile, MODULE)
    settings, shown = desk.dialogs()
    browser = desk.start(profile, **settings)
    try:
        for number, version in enumerate(("1.3", "1.2")):
            with rows.case("PIN dialog of the module: one for both sites", version) as notes:
                asked = log_in(desk, browser, desk.site(version), [])
                notes.append({"logins": 1 - number, "note": f"dialogs of Firefox: {browser.dialogs()}"})
                check(asked == [], f"Firefox asked for a PIN: {asked}")
                check(len(shown.read_text().splitlines()) == 1, shown.read_text())
    finally:
        browser.quit()


def both_tokens(desk, rows):
    """Somebody shows Firefox both tokens: the signature certificate, which holds name and address,
    must not leave without a login to its own token on purpose."""
    for preference in ("Ask Every Time", "Select Automatically"):
        for version in ("1.3", "1.2"):
            profile = desk.profile(f"both-{preference[:3]}-{version}",
                                   **{"security.default_personal_cert": preference})
            add_module(profile, MODULE)
            browser = desk.start(profile, JPKI_PKCS11_SLOTS="both")
            try:
                found = [one for one in modules(browser) if one[1] == str(MODULE)]
                tokens = sorted(token for one in found for _, token in one[2] if token)
                check(tokens == sorted([AUTHENTICATION, SIGNATURE]), f"tokens: {tokens}")
                for what, pin, wanted in (("every dialog cancelled", [], None),
                                          ("signature password not given", [PIN], desk.wanted)):
                    with rows.case(f"slots=both, no CA names, {preference}, {what}: the signature "
                                   "certificate is not sent", version) as notes:
                        before = desk.card.counters()
                        arrived, asked = offer_everything(desk, browser, version, pin, [])
                        notes.append({"logins": len(asked), "note": f"dialogs: {', '.join(asked) or 'none'}"})
                        check(arrived == {wanted}, f"arrived: {arrived}")
                        after = desk.card.counters()
                        check(all(before[key] == after[key] for key in before if key.startswith("sign_")),
                              f"the signature key was used: {before} {after}")
            finally:
                browser.quit()
    # That the test would see it: the signature token alone, and its password given.
    for version in ("1.3", "1.2"):
        profile = desk.profile(f"sign-{version}",
                               **{"security.default_personal_cert": "Select Automatically"})
        add_module(profile, MODULE)
        browser = desk.start(profile, JPKI_PKCS11_SLOTS="sign")
        try:
            with rows.case("slots=sign, signature password given on purpose: it is sent",
                           version) as notes:
                arrived, asked = offer_everything(desk, browser, version, [], [PASSWORD] * 3)
                notes.append({"logins": len(asked), "note": f"dialogs: {', '.join(asked)}"})
                check(arrived == {fingerprint_of(desk.card.signature)}, f"arrived: {arrived}")
        finally:
            browser.quit()


def offer_everything(desk, browser, version, pin, password):
    """Visits a site that takes the certificates of both CAs, or none, and names no CA. What arrived,
    and whose PINs were asked for."""
    site = desk.site(version, authorities=[desk.card.authentication_ca, desk.card.signature_ca],
                     required=False)
    browser.blank()
    browser.rules(("certificate", "", ["ok"] * 5), ("common", f"({AUTHENTICATION})", list(pin)),
                  ("common", f"({SIGNATURE})", list(password)))
    browser.visit(site.url, "ogged in")
    return {one.fingerprint for one in site.arrivals}, pins_asked(browser)


def main():
    beside_a_virtual_card()
    need("certutil", "modutil", "openssl", "unshare", "convert", PROGRAM)
    with workspace("firefox") as folder:
        desk = FirefoxDesk(folder)
        rows = Rows("Firefox ESR", version_of(PROGRAM), desk.card)
        wanted = sys.argv[1:]
        for part in (by_policy, by_modutil, by_dialog, both_tokens):
            if not wanted or part.__name__ in wanted:
                part(desk, rows)
        desk.close()
    return rows.finish()


if __name__ == "__main__":
    sys.exit(main())
