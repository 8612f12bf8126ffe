#!/usr/bin/env python3
"""Thunderbird signs a mail (S/MIME) with the signature certificate, in its own compose window; openssl
verifies it. The message goes to the outbox, not to a server.

    python3 tests/consumers/thunderbird.py

Starts its own virtual card (tests/virtual-pcscd). One line of JSON for each case on the standard
output. CONSUMERS_KEEP=1 keeps the profile and logs.
"""

import base64
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from browser_card import (AUTHENTICATION, CONFIGURATION, INSTALLED_MODULE, MODULE, PASSWORD, SIGNATURE,
                          Rows, beside_a_virtual_card, check, need, nss_database, version_of,
                          workspace)
from browser_desk import Desk
from browser_firefox import Browser, environment
from browser_site import fingerprint_of

PROGRAM = "/usr/lib/thunderbird/thunderbird-bin"
SYSTEM_FOLDER = "/etc/thunderbird"
PREFERENCES = {
    "marionette.port": 0, "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True, "mailnews.start_page.enabled": False,
    "mail.shell.checkDefaultClient": False, "datareporting.policy.dataSubmissionEnabled": False,
    "services.settings.server": "data:,", "toolkit.telemetry.server": "data:,",
}
BODY = "Signed with the card."

TOKENS = """
    const database = Cc["@mozilla.org/security/pkcs11moduledb;1"].getService(Ci.nsIPKCS11ModuleDB);
    const tokens = [];
    for (const module of await database.listModules()) {
        if (module.libName == given[0]) {
            for (const slot of module.slots) tokens.push(slot.tokenName);
        }
    }
    return tokens.filter(name => name);
"""
# What the account settings do when a certificate is chosen there.
IDENTITY = """
    const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    MailServices.accounts.createLocalMailAccount();
    const server = MailServices.accounts.localFoldersServer;
    const identity = MailServices.accounts.createIdentity();
    identity.email = "taro@example.invalid";
    identity.fullName = "Taro";
    identity.composeHtml = false;
    MailServices.accounts.findAccountForServer(server).addIdentity(identity);
    const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
    const mine = Array.from(certificates.getCerts()).find(one => one.tokenName == given[0]);
    if (!mine) return "no certificate on the token";
    identity.setUnicharAttribute("signing_cert_name", mine.displayName);
    identity.setCharAttribute("signing_cert_dbkey", mine.dbKey);
    identity.setBoolAttribute("sign_mail", true);
    return mine.displayName;
"""
COMPOSE = """
    const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
    const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
    fields.to = "hanako@example.invalid";
    fields.subject = "A signed message";
    fields.body = given[0] + "\\r\\n";
    const parameters = Cc["@mozilla.org/messengercompose/composeparams;1"]
        .createInstance(Ci.nsIMsgComposeParams);
    parameters.composeFields = fields;
    parameters.type = Ci.nsIMsgCompType.New;
    parameters.format = Ci.nsIMsgCompFormat.PlainText;
    parameters.identity = MailServices.accounts.allIdentities[0];
    MailServices.compose.OpenComposeWindowWithParams(null, parameters);
    const pause = () => new Promise(resolve => window.setTimeout(resolve, 100));
    const open = () => Services.wm.getMostRecentWindow("msgcompose");
    while (!open() || !open().composeEditorReady) await pause();
    if (!open().gSendSigned) return "the window does not mean to sign";
    open().goDoCommand("cmd_sendLater");
    for (let tenths = 0; open(); tenths++) {
        if (tenths == 300) return "the window stays open";
        await pause();
    }
    return "sent";
"""


def start(desk, name="profile", **environ):
    """Thunderbird with the policy of our configuration."""
    settings = desk.folder / f"etc-thunderbird-{name}"
    shutil.copytree(SYSTEM_FOLDER, settings)
    (settings / "policies").mkdir(exist_ok=True)
    given = (CONFIGURATION / "thunderbird" / "policies.json").read_text()
    check(INSTALLED_MODULE in given, "policies.json names another path")
    (settings / "policies" / "policies.json").write_text(given.replace(INSTALLED_MODULE, str(MODULE)))
    profile = desk.folder / name
    nss_database(profile, desk.authority.certificate)
    # Trusted for mail. A person does that in the certificate manager.
    subprocess.run(["certutil", "-A", "-d", f"sql:{profile}", "-n", "sign CA", "-t", ",C,",
                    "-i", str(desk.card.signature_ca)], check=True)
    (profile / "user.js").write_text("".join(
        f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in PREFERENCES.items()))
    return Browser(["unshare", "--map-root-user", "--mount", "sh", "-c",
                    f'mount --bind "$1" {SYSTEM_FOLDER} && shift && exec "$@"', "sh", str(settings),
                    PROGRAM], profile, environment(desk.folder / "home", **environ), desk.folder / f"{name}.log")


def verify(desk, message):
    """Who signed the message, by openssl, and what it says; nothing if the signature is wrong."""
    file, signer = desk.folder / "message.eml", desk.folder / "signer.pem"
    file.write_bytes(message)
    done = subprocess.run(["openssl", "cms", "-verify", "-in", str(file), "-CAfile",
                           str(desk.card.signature_ca), "-purpose", "any", "-signer", str(signer)],
                          capture_output=True, check=False)
    return (fingerprint_of(signer), done.stdout) if done.returncode == 0 else None


def sign(desk, rows, browser):
    """All cases."""
    with rows.case("module by policies.json; both tokens are seen") as notes:
        tokens = browser.task(TOKENS, str(MODULE))
        check(sorted(tokens) == sorted([AUTHENTICATION, SIGNATURE]), f"tokens: {tokens}")
        name = pathlib.Path(os.readlink(f"/proc/{browser.process.pid}/exe")).name
        notes.append({"note": f"executable {name}"})
    browser.rules(("common", f"({SIGNATURE})", [PASSWORD] * 5))
    with rows.case("signature certificate chosen for an identity") as notes:
        chosen = browser.task(IDENTITY, SIGNATURE)
        dialogs = browser.dialogs()
        notes.append({"logins": len(dialogs)})
        check(chosen and "no certificate" not in chosen, chosen)
        check(all(f"({SIGNATURE})" in one["text"] for one in dialogs), str(dialogs))
    for what in ("mail signed (S/MIME) in the compose window, verified by openssl",
                 "second mail: the password is asked for again"):
        with rows.case(what) as notes:
            message, dialogs = compose(browser)
            notes.append({"logins": len(dialogs)})
            check(len(dialogs) == 1 and f"({SIGNATURE})" in dialogs[0]["text"], str(dialogs))
            verified = verify(desk, message)
            check(verified, "openssl does not verify it")
            check(verified[0] == fingerprint_of(desk.card.signature), "another certificate signed")
            # The text stands in it as base64. One letter of it changed must show.
            start_of_text = base64.b64encode(BODY.encode())[:12]
            check(message.count(start_of_text) == 1, "the text is not in the message")
            forged = message.replace(start_of_text, b"T" + start_of_text[1:])
            check(verify(desk, forged) is None, "openssl verifies a forged one, too")


def sign_by_dialog(desk, rows):
    """The module asks for the password itself, for each mail; Thunderbird shows no dialog of its own."""
    settings, shown = desk.dialogs(**{"signature password": PASSWORD})
    browser = start(desk, "dialog", **settings)
    try:
        with rows.case("PIN dialog of the module: two mails, each with the hash that is signed") as notes:
            chosen = browser.task(IDENTITY, SIGNATURE)
            check(chosen and "no certificate" not in chosen, chosen)
            for number in (1, 2):
                message, dialogs = compose(browser)
                check(dialogs == [], str(dialogs))
                check(verify(desk, message), "openssl does not verify it")
                consents = [line for line in shown.read_text().splitlines() if "A signature is requested" in line]
                check(len(consents) == number, shown.read_text())
            notes.append({"logins": 1})
    finally:
        browser.quit()


def compose(browser):
    """Writes a mail and sends it later: what lies in the outbox, and the dialogs on the way."""
    browser.rules(("common", f"({SIGNATURE})", [PASSWORD] * 5))
    came = browser.task(COMPOSE, BODY)
    check(came == "sent", came)
    outbox = (browser.profile / "Mail" / "Local Folders" / "Unsent Messages").read_bytes()
    return re.split(rb"^From - .*\r?\n", outbox, flags=re.MULTILINE)[-1], browser.dialogs()


def main():
    beside_a_virtual_card()
    need("certutil", "openssl", "unshare", PROGRAM)
    with workspace("thunderbird") as folder:
        desk = Desk(folder)
        rows = Rows("Thunderbird", version_of(PROGRAM), desk.card)
        browser = start(desk)
        try:
            sign(desk, rows, browser)
        finally:
            status = browser.quit()
        with rows.case("Thunderbird ends without a crash"):
            check(status == 0, f"exit status {status}")
        sign_by_dialog(desk, rows)
    return rows.finish()


if __name__ == "__main__":
    sys.exit(main())
