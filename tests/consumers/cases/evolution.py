"""Evolution signs a mail with the signature certificate, by Camel and NSS, and hands it to a program in place of sendmail. Standard library only. Its
windows are read and driven on a private screen."""

from __future__ import annotations

import pathlib
import re
import sys

from cases.dialog import dialogs, shown
from support.bench import MODULE, PASSWORD, Bench, package, wait_for
from support.case import case
from support.documents import der

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser_screen import Screen

WRONG = "WRONG99"
TEXT = "A power of attorney."
ACCOUNT = {
    "account": "[Data Source]\nDisplayName=Taro\nEnabled=true\nParent=\n[Mail Account]\nBackendName=none\nIdentityUid=identity\n",
    "identity": "[Data Source]\nDisplayName=Taro\nEnabled=true\nParent=account\n[Mail Identity]\nAddress=taro@example.jp\nName=Taro\n"
                "[Mail Submission]\nTransportUid=transport\nSentFolder=folder://local/Sent\n",
    "transport": "[Data Source]\nDisplayName=Taro\nEnabled=true\nParent=account\n[Mail Transport]\nBackendName=sendmail\n"
                 "[Sendmail Backend]\nUseCustomBinary=true\nCustomBinary=PROGRAM\n",
}


@case("evolution", "Evolution", "a mail signed with the signature certificate, in three ways, one with a wrong password first; verified by OpenSSL",
      version=lambda: package("evolution"), timeout=200,
      needs=["evolution", "dbus-run-session", "certutil", "modutil", "openssl", "Xvfb", "openbox", "xdotool", "tesseract", "import", "convert"])
def evolution(bench: Bench) -> None:
    """The certificate holds no mail address; Evolution signs with it for any sender."""
    database = bench.home / ".pki/nssdb"
    database.mkdir(parents=True)
    name = f"sql:{database}"
    bench.sh("certutil", "-N", "-d", name, "--empty-password")
    bench.sh("modutil", "-dbdir", name, "-force", "-add", "My Number card", "-libfile", MODULE)
    bench.sh("certutil", "-A", "-d", name, "-n", "sign CA", "-t", ",C,", "-i", bench.sign_ca)
    program = bench.file("sendmail", f"#!/bin/sh\ncat > {bench.dir}/sending && mv {bench.dir}/sending {bench.dir}/sent.eml\n", 0o700)
    security = bench.configuration("evolution/identity.source").read_text()
    for source, text in ACCOUNT.items():
        bench.file(f"home/.config/evolution/sources/{source}.source",
                   text.replace("PROGRAM", str(program)) + (security if source == "identity" else ""))
    # Evolution asks whether the mail is meant to be sent when it is by a key.
    bench.file("home/.config/glib-2.0/settings/keyfile", "[org/gnome/evolution/mail]\nprompt-on-accel-send=false\n")
    send(bench, {}, WRONG, PASSWORD, PASSWORD)
    bench.row.always_authenticate = "yes"
    send(bench, {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}, PASSWORD)
    bench.row.always_authenticate = "yes / yes"
    send(bench, dialogs(bench, sign=PASSWORD))
    consents = [line for line in shown(bench) if "A signature is requested" in line]
    bench.check(len(consents) == 1, f"dialogs that show a hash: {consents}")
    bench.row.dialog = "yes"
    bench.refused_only("CKR_PIN_INCORRECT")
    count = bench.counters()
    bench.check((count["sign_signatures"], count["sign_verifies"]) == (3, 8), f"{count}")


def send(bench: Bench, env: dict[str, str], *passwords: str) -> None:
    """Writes and sends a mail in an Evolution of its own, which asks for these passwords, and judges what it sent."""
    sent = bench.dir / "sent.eml"
    sent.unlink(missing_ok=True)
    runtime = bench.dir / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    screen = Screen(bench.dir)

    def window(title: str) -> str:
        wait_for(lambda: title in screen.windows().values(), f"no window: {title}", 60)
        return next(number for number, name in screen.windows().items() if name == title)

    try:
        # WebKit confines the editor, not what signs, and cannot do so below /var/tmp.
        bench.start("dbus-run-session", "--", "evolution", f"mailto:hanako@example.jp?subject=Proxy&body={TEXT.replace(' ', '%20')}",
                    env={"DISPLAY": screen.display, "XDG_RUNTIME_DIR": str(runtime), "GSETTINGS_BACKEND": "keyfile", "NO_AT_BRIDGE": "1",
                         "WEBKIT_DISABLE_COMPOSITING_MODE": "1", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "JPKI_PKCS11_SLOTS": "sign", **env})
        screen.key(window("Proxy"), "ctrl+Return")
        for password in passwords:
            question = window("Enter password")
            wait_for(lambda question=question: "Digital Signature PIN" in screen.text(question), "Evolution asks for another token")
            screen.type(question, password)
            wait_for(lambda question=question: question not in screen.windows(), "the dialog stays")
            if password == WRONG:
                wait_for(lambda: bench.counters()["sign_tries"] == 4, f"a wrong password: {bench.counters()}")
        wait_for(sent.exists, "no mail is sent", 40)
    finally:
        bench.close()
        screen.close()
    judge(bench, sent.read_bytes())


def judge(bench: Bench, mail: bytes) -> None:
    """OpenSSL finds that the holder of the card signed the text, and not a changed one."""
    verify = ["openssl", "cms", "-verify", "-CAfile", bench.sign_ca, "-purpose", "any", "-signer", bench.dir / "signer.pem", "-in"]
    said = bench.sh(*verify, bench.file("mail.eml", mail))
    bench.check(TEXT in said and "uccessful" in said, said)
    bench.check(der(bench.dir / "signer.pem") == der(bench.sign_certificate), "another certificate signed")
    bench.check(re.search(rb"^From: Taro <taro@example\.jp>\r?$", mail, re.MULTILINE), "another sender")
    said = bench.sh(*verify, bench.file("forged.eml", mail.replace(TEXT.encode(), TEXT.encode().replace(b"A ", b"No "))), ok=False)
    bench.check("digest failure" in said or "verification failure" in said, f"a changed mail is verified, too:\n{said}")
