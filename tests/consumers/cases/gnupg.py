"""GnuPG's gpgsm with gnupg-pkcs11-scd in place of its own card program. Standard library only. The pinentry
answers each token once and cancels what it does not know."""

from __future__ import annotations

import os
import pathlib
import re
import sys

from support.bench import AUTH, PASSWORD, PIN, SIGN, Bench, first_line, package
from support.case import case

PINENTRY = pathlib.Path(__file__).with_name("_pinentry.py")
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}
SIGN_ALONE = {"JPKI_PKCS11_SLOTS": "sign"}


class Home:
    """A GNUPGHOME of its own."""

    def __init__(self, bench: Bench, name: str, private: bool, env: dict[str, str]) -> None:
        # Short: the name of a socket has 108 bytes.
        self.bench, self.path = bench, pathlib.Path(os.environ["VIRTUAL_CARD_DIR"]) / "run" / name
        self.path.mkdir(mode=0o700)
        self.env = {"GNUPGHOME": str(self.path), **env}
        self.asked = bench.dir / f"asked-{name}"
        answers = " ".join(f"'{token}={pin}'" for token, pin in ((AUTH, PIN), (SIGN, PASSWORD)))
        entry = bench.file(f"pinentry-{name}", f"#!/bin/sh\nexec {sys.executable} {PINENTRY} {self.asked} {answers}\n", 0o700)
        for file in ("gnupg-pkcs11-scd.conf", "gpg-agent.conf", "gpgsm.conf"):
            text = bench.configuration(f"gnupg/{file}").read_text()
            if private:
                text = text.replace("#provider-jpki-cert-private", "provider-jpki-cert-private")
            if file == "gpg-agent.conf":
                text += f"pinentry-program {entry}\n"
            (self.path / file).write_text(text)

    def gpgsm(self, *words: str | pathlib.Path, ok: bool = True) -> str:
        """Runs gpgsm."""
        return self.bench.sh("gpgsm", "--batch", *words, env=self.env, ok=ok)

    def trust(self, authority: pathlib.Path) -> None:
        """Takes an authority for a root."""
        self.gpgsm("--import", authority)
        said = self.bench.sh("openssl", "x509", "-in", authority, "-noout", "-fingerprint", "-sha1")
        with (self.path / "trustlist.txt").open("a") as out:
            out.write(said.strip().split("=")[1] + " S relax\n")

    def open_card(self) -> None:
        """gpgsm's own `--learn-card` cannot ask for the password that the list of keys needs here."""
        password = self.bench.file("password", PASSWORD)
        said = self.bench.sh("gpg-connect-agent", f"/definqfile NEEDPIN {password}", "SCD LEARN --force", "/bye", env=self.env)
        self.bench.check("KEYPAIRINFO" in said, f"no key pair:\n{said}")

    def close(self) -> None:
        """Ends the agent and what it started."""
        self.bench.sh("gpgconf", "--kill", "all", env=self.env, ok=False)


@case("gpgsm", "gpgsm (gnupg-pkcs11-scd)", "`--learn-card`; two detached signatures with each key, verified by a gpgsm without the card",
      version=lambda: f"{first_line('gpgsm', '--version')} ({package('gnupg-pkcs11-scd')})",
      needs=["gpgsm", "gnupg-pkcs11-scd", "gpgconf"], timeout=150)
def gpgsm(bench: Bench) -> None:
    """The authentication key without, the signature key with `cert-private`."""
    document = bench.document()
    judge = Home(bench, "judge", private=False, env={})
    for authority in (bench.auth_ca, bench.sign_ca):
        judge.trust(authority)
    for number, (certificate, authority, private, env) in enumerate((
            (bench.auth_certificate, bench.auth_ca, False, {}), (bench.sign_certificate, bench.sign_ca, True, SIGN_ALONE),
            (bench.sign_certificate, bench.sign_ca, True, {**SIGN_ALONE, **NO}))):
        home = Home(bench, f"home{number}", private, env)
        try:
            home.trust(authority)
            if private:
                home.open_card()
            home.gpgsm("--learn-card")
            said = bench.sh("openssl", "x509", "-in", certificate, "-noout", "-fingerprint", "-sha1")
            name = said.strip().split("=")[1].replace(":", "")
            listed = home.gpgsm("--list-secret-keys", "--with-colons")
            bench.check(name in listed, f"gpgsm has learnt no such key:\n{listed}")
            for _ in range(2):
                signature = bench.dir / "signature.p7s"
                signature.unlink(missing_ok=True)
                home.gpgsm("--detach-sign", "--local-user", f"0x{name}", "--output", signature, document)
                said = judge.gpgsm("--verify", signature, document)
                bench.check("Good signature" in said, said)
            questions = [re.findall(r"JPKI \([^)]*\)", line) for line in home.asked.read_text().splitlines()]
            bench.check(len(questions) <= 3, f"questions: {questions}")
        finally:
            home.close()
    judge.close()
    bench.row.always_authenticate = "yes / yes"
