"""The PIN dialog (`pin_entry = "dialog"`) in programs that pass no PIN, and the real pinentries on a screen. Standard
library only. The scripted pinentry answers a question that names its token and cancels every other one."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, Bench, first_line, need, uri, wait_for
from support.case import Skipped, case
from support.documents import pdf, verify_pdf
from support.sshd import Sshd
from support.tls import Site, both_versions

from . import java, openssh, openssl, python

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from browser_screen import Screen

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = os.environ.get("CONSUMERS_PICTURES")
YES = "yes, on purpose"


def dialogs(bench: Bench, **pins: str) -> dict[str, str]:
    """An environment in which the module asks for PINs by a scripted pinentry. `pins`: auth, sign."""
    names = {"auth": "authentication PIN", "sign": "signature password"}
    answers = [f"{names[name]}={pin}" for name, pin in pins.items()]
    line = shlex.join([sys.executable, str(HERE / "_pinentry.py"), str(bench.dir / "dialogs"), "--often", *answers])
    program = bench.file("pinentry", f"#!/bin/sh\nexec {line}\n", 0o700)
    return {"JPKI_PKCS11_PIN_ENTRY": "dialog", "JPKI_PKCS11_PINENTRY_PROGRAM": str(program), "JPKI_PKCS11_LANGUAGE": "en"}


def shown(bench: Bench) -> list[str]:
    """The dialogs so far."""
    path = bench.dir / "dialogs"
    return path.read_text().splitlines() if path.exists() else []


def signs(bench: Bench, count: int, work: Callable[[dict[str, str]], object]) -> None:
    """Work that makes so many signatures with the signature key, each with a dialog of its own."""
    before, dialogs_before = bench.counters()["sign_signatures"], len(shown(bench))
    work(dialogs(bench, auth=PIN, sign=PASSWORD))
    made = bench.counters()["sign_signatures"] - before
    consents = [line for line in shown(bench)[dialogs_before:] if "A signature is requested" in line]
    bench.check(made == count == len(consents), f"{made} signatures, {len(consents)} dialogs with a hash, wanted {count}")
    bench.row.dialog = "yes"


@case("dialog-pkcs11-tool", "pkcs11-tool", "PIN dialog: two signatures in two logins; `--test` on the authentication token",
      version=lambda: first_line("opensc-tool", "--info"), needs=["pkcs11-tool"])
def pkcs11_tool(bench: Bench) -> None:
    """It hears the flag and passes NULL."""
    document, signature = bench.document(), bench.dir / "signature"

    def work(env: dict[str, str]) -> None:
        for mechanism in ("SHA256-RSA-PKCS", "SHA256-RSA-PKCS-PSS"):
            bench.sh("pkcs11-tool", "--module", MODULE, "--token-label", SIGN, "--login", "--sign", "--id", "02",
                     "--mechanism", mechanism, "--input-file", document, "--output-file", signature, env=env)
            bench.verify(signature, document, bench.sign_certificate, pss=mechanism.endswith("PSS"))

    signs(bench, 2, work)
    said = bench.sh("pkcs11-tool", "--module", MODULE, "--token-label", AUTH, "--login", "--test", env=dialogs(bench, auth=PIN))
    bench.check("No errors" in said, said)


@case("dialog-p11tool", "p11tool (GnuTLS)", "PIN dialog: `--test-sign` with both keys",
      version=lambda: first_line("p11tool", "--version"), needs=["p11tool"])
def p11tool(bench: Bench) -> None:
    """GnuTLS hears the flag and passes NULL."""
    def work(env: dict[str, str]) -> None:
        for token in (AUTH, SIGN):
            said = bench.sh("p11tool", "--provider", MODULE, "--batch", "--login", "--test-sign", "--hash", "sha256",
                            uri(token, "private"), env=env)
            bench.check(re.search(r"erifying against .*ok", said), said)

    signs(bench, 1, work)


@case("dialog-openssl", "OpenSSL engine, curl, osslsigncode", "PIN dialog: `dgst` with the signature key; GET; Authenticode",
      version=openssl.openssl, needs=["openssl", "curl", "osslsigncode"], timeout=120)
def engine(bench: Bench) -> None:
    """libp11 hears the flag and passes NULL; it asks nothing at the terminal."""
    if not openssl.ENGINE.exists():
        raise Skipped("not installed: libengine-pkcs11-openssl")
    configured = openssl.engine_env(bench)
    document, signature = bench.document(), bench.dir / "signature"

    def work(env: dict[str, str]) -> None:
        bench.sh("openssl", "dgst", "-sha256", "-engine", "pkcs11", "-keyform", "engine", "-sign", uri(SIGN, "private"),
                 "-out", signature, document, env={**configured, **env})
        bench.verify(signature, document, bench.sign_certificate)
        signed = bench.dir / "signed.exe"
        bench.sh("osslsigncode", "sign", "-pkcs11engine", openssl.ENGINE, "-pkcs11module", MODULE, "-certs", bench.sign_certificate,
                 "-key", uri(SIGN, "private"), "-h", "sha256", "-in", bench.file("program.exe", openssl.windows_program()),
                 "-out", signed, env=env)
        said = bench.sh("osslsigncode", "verify", "-CAfile", bench.sign_ca, "-in", signed, ok=False)
        bench.check("Signature verification: ok" in said, said)

    signs(bench, 2, work)

    def visit(site: Site) -> str:
        return bench.sh("curl", "--silent", "--show-error", "--cacert", site.certificate, "--engine", "pkcs11",
                        "--cert", uri(AUTH, "cert"), "--key", uri(AUTH, "private"), site.url,
                        env={**configured, **dialogs(bench, auth=PIN)})

    both_versions(bench, visit)


@case("dialog-java", "Java SunPKCS11: Signature", "PIN dialog: three signatures in one login with the signature key",
      version=java.version, needs=["java"], timeout=240)
def in_java(bench: Bench) -> None:
    """SunPKCS11 hears the flag. Its key store is loaded without a password."""
    document, configuration = bench.document(), bench.configuration("java/jpki-sign.cfg")
    signatures = [bench.dir / name for name in ("one", "two", "three")]

    def work(env: dict[str, str]) -> None:
        java.java(bench, "Sign.java", configuration, "-", "SHA256withRSA", document, *signatures, env=env)
        for signature in signatures:
            bench.verify(signature, document, bench.sign_certificate)

    signs(bench, 3, work)


@case("dialog-python", "python-pkcs11, PyKCS11", "PIN dialog: two signatures in one login with the signature key, each",
      version=lambda: python.version("python-pkcs11"), timeout=120)
def in_python(bench: Bench) -> None:
    """python-pkcs11 has PROTECTED_AUTH; PyKCS11 passes an empty PIN."""
    interpreter, document = need(python.VENV / "python3", "the virtual environment"), bench.document()
    one, two = bench.dir / "one", bench.dir / "two.pss"
    for script in ("sign_python_pkcs11.py", "sign_pykcs11.py"):
        def work(env: dict[str, str], script: str = script) -> None:
            bench.sh(interpreter, python.SOURCES / script, MODULE, SIGN, "-", document, one, two, env=env)
            bench.verify(one, document, bench.sign_certificate)
            bench.verify(two, document, bench.sign_certificate, pss=True)

        signs(bench, 2, work)


@case("dialog-pyhanko", "pyHanko", "PIN dialog: a PAdES signature; validated", version=lambda: python.version("pyhanko"))
def pyhanko(bench: Bench) -> None:
    """`prompt-pin: defer` leaves the question to the module."""
    command = need(python.VENV / "pyhanko", "pyhanko-cli")
    text = bench.configuration("pyhanko/pyhanko.yml").read_text().replace("signing-pin-mode: reauthenticate", "prompt-pin: defer")
    configuration, signed = bench.file("dialog.yml", text), bench.dir / "signed.pdf"

    def work(env: dict[str, str]) -> None:
        bench.sh(command, "--config", configuration, "sign", "addsig", "--field", "Sig1", "--use-pades", "pkcs11", "--p11-setup",
                 "jpki", pdf(bench), signed, env=env)
        verify_pdf(bench, signed, bench.sign_ca)

    signs(bench, 1, work)


@case("dialog-ssh", "ssh, ssh-agent", "PIN dialog: `ssh -I`; the agent, which takes no empty passphrase, asks for consent to each of two signatures",
      version=openssh.openssh, needs=["ssh", "ssh-agent", "ssh-add", "/usr/sbin/sshd"], mounts=True)
def ssh(bench: Bench) -> None:
    """ssh passes NULL. ssh-add -s insists on a passphrase and passes it; the agent's signatures have a dialog."""
    key = openssh.card_key(bench)
    server, env = Sshd(bench, key), dialogs(bench, auth=PIN)
    server.enter("-F", "none", "-I", str(MODULE), env=env)
    bench.check(len(shown(bench)) == 1, f"dialogs: {shown(bench)}")

    def work(env: dict[str, str]) -> None:
        agent = openssh.agent(bench, {**openssh.askpass(bench, {"PKCS#11": PASSWORD}), **env})
        bench.sh("ssh-add", "-s", MODULE, env=agent)
        public = bench.file("public", openssh.card_key(bench, "me-sign.pem") + "\n")
        for _ in range(2):
            bench.sh("ssh-add", "-T", public, env=agent)

    signs(bench, 2, work)


def screen_of(bench: Bench) -> Screen:
    """A private X screen."""
    folder = bench.dir / "screen"
    folder.mkdir()
    return Screen(folder, "760x420")


@case("pinentry-gtk", "pinentry-gtk2", "the dialogs of a signature on a screen, in Japanese and English",
      version=lambda: first_line("pinentry-gtk-2", "--version"), needs=["pinentry-gtk-2", "Xvfb", "xdotool", "import", "pkcs11-tool"],
      timeout=120)
def gtk(bench: Bench) -> None:
    """GnuPG's dialog for GTK 2."""
    on_a_screen(bench, "pinentry-gtk-2")


@case("pinentry-qt", "pinentry-qt", "the dialogs of a signature on a screen, in Japanese and English",
      version=lambda: first_line("pinentry-qt", "--version"), needs=["pinentry-qt", "Xvfb", "xdotool", "import", "pkcs11-tool"],
      timeout=120)
def qt(bench: Bench) -> None:
    """GnuPG's dialog for Qt."""
    on_a_screen(bench, "pinentry-qt")


def on_a_screen(bench: Bench, pinentry: str) -> None:
    """A wrong shape, a wrong password, a consent; then a rejected signature. Typed as a person types."""
    document, signature = bench.document(), bench.dir / "signature"
    screen = screen_of(bench)
    try:
        for language, title in (("ja", "マイナンバーカード"), ("en", "My Number card")):
            env = {"JPKI_PKCS11_PIN_ENTRY": "dialog", "JPKI_PKCS11_PINENTRY_PROGRAM": str(shutil.which(pinentry)),
                   "JPKI_PKCS11_LANGUAGE": language, "DISPLAY": screen.display}
            for answers in (["12", "WRONG1", PASSWORD, PASSWORD], [PASSWORD, None]):
                signature.unlink(missing_ok=True)
                log = bench.start("pkcs11-tool", "--module", MODULE, "--token-label", SIGN, "--login", "--sign", "--id", "02",
                                  "--mechanism", "SHA256-RSA-PKCS", "--input-file", document, "--output-file", signature,
                                  name="pkcs11-tool", env=env)
                for number, answer in enumerate(answers):
                    answer_on(screen, title, answer, f"{pinentry}-{language}-{number}.png" if len(answers) > 2 else "")
                wait_for(lambda: bench.ended_last(), f"pkcs11-tool goes on:\n{log.read_text(errors='replace')}")
                if answers[-1]:
                    bench.verify(signature, document, bench.sign_certificate)
                else:
                    # pkcs11-tool does not know the name of the code.
                    bench.check("C_SignFinal: CKR_FUNCTION_REJECTED" in bench.calls(), log.read_text(errors="replace"))
    finally:
        screen.close()
    count = bench.counters()
    bench.check(count["sign_signatures"] == 2, f"{count['sign_signatures']} signatures")
    # Of each language: login wrong, login right, signature; login right. Nothing was sent for the rest.
    bench.check(count["sign_verifies"] == 8, f"{count['sign_verifies']} VERIFYs")
    bench.row.dialog = "yes"


@case("pinentry-last-try", "pinentry-gtk2", "one try left: the question whether to use it, in both languages",
      version=lambda: first_line("pinentry-gtk-2", "--version"), needs=["pinentry-gtk-2", "Xvfb", "xdotool", "import", "pkcs11-tool"],
      card=["--card", "me=plastic,auth-tries=1"])
def last_try(bench: Bench) -> None:
    """No, cancels; yes, then the right PIN, brings all tries back."""
    screen = screen_of(bench)
    try:
        for language, title, answers in (("ja", "マイナンバーカード", [None]), ("en", "My Number card", [YES, PIN])):
            log = bench.start("pkcs11-tool", "--module", MODULE, "--token-label", AUTH, "--login", "--list-objects",
                              env={"JPKI_PKCS11_PIN_ENTRY": "dialog", "JPKI_PKCS11_LANGUAGE": language, "DISPLAY": screen.display,
                                   "JPKI_PKCS11_PINENTRY_PROGRAM": str(shutil.which("pinentry-gtk-2"))})
            for number, answer in enumerate(answers):
                answer_on(screen, title, answer, "" if number else f"pinentry-last-try-{language}.png")
            wait_for(lambda: bench.ended_last(), f"pkcs11-tool goes on:\n{log.read_text(errors='replace')}")
    finally:
        screen.close()
    bench.check(bench.logins() == ["CKR_FUNCTION_CANCELED", "CKR_OK"], f"{bench.logins()}")
    bench.check(bench.counters()["auth_verifies"] == 1, "more than one PIN was sent")


def answer_on(screen: Screen, title: str, answer: str | None, picture: str) -> None:
    """Waits for a dialog, takes its picture, answers or cancels it, and waits until it is gone."""
    def open_ones() -> dict[str, str]:
        # The next dialog can have the number of the last one's window, but not its process.
        windows = screen.windows()
        return {f"{number} {screen.process(number)}": number for number, name in windows.items() if title in name}

    wait_for(open_ones, f"no dialog {title}", 20)
    time.sleep(0.5)
    known = open_ones()
    window = next(iter(known.values()))
    if picture:
        made = screen.picture(window, picture)
        if PICTURES:
            shutil.copy(made, PICTURES)
    if answer is None:
        screen.key(window, "Escape")
    elif answer == YES:
        # Return alone is no: that button has the focus.
        screen.key(window, "Tab")
        screen.key(window, "Return")
    else:
        screen.type(window, answer)
    wait_for(lambda: not known.keys() & open_ones().keys(), f"the dialog {title} stays", 20)


@case("pinentry-curses", "pinentry-curses", "the dialogs of a signature at a terminal (tmux)",
      version=lambda: first_line("pinentry-curses", "--version"), needs=["pinentry-curses", "tmux", "pkcs11-tool"])
def curses(bench: Bench) -> None:
    """A program at a terminal, without a screen."""
    document, signature = bench.document(), bench.dir / "signature"
    socket = f"{os.environ['VIRTUAL_CARD_DIR']}/run/tmux"
    tmux = ["tmux", "-S", socket]
    env = {"JPKI_PKCS11_PIN_ENTRY": "dialog", "JPKI_PKCS11_PINENTRY_PROGRAM": str(shutil.which("pinentry-curses")),
           "JPKI_PKCS11_LANGUAGE": "en", "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    line = shlex.join(["pkcs11-tool", "--module", str(MODULE), "--token-label", SIGN, "--login", "--sign", "--id", "02",
                       "--mechanism", "SHA256-RSA-PKCS", "--input-file", str(document), "--output-file", str(signature)])
    bench.sh(*tmux, "new-session", "-d", "-x", "100", "-y", "30", f"{line}; echo ended; sleep 60", env=env)
    try:
        for words in ("Enter the signature password", "A signature is requested"):
            wait_for(lambda words=words: words in bench.sh(*tmux, "capture-pane", "-p"), f"no dialog: {words}")
            bench.sh(*tmux, "send-keys", PASSWORD, "Enter")
        wait_for(lambda: "ended" in bench.sh(*tmux, "capture-pane", "-p"), "pkcs11-tool goes on")
    finally:
        bench.sh(*tmux, "kill-server", ok=False)
    bench.verify(signature, document, bench.sign_certificate)
    bench.row.dialog = "yes"
