"""The bench on which a program is tried: its own HOME, the card's counters, commands with a deadline,
configurations from pkcs11-test-config. Standard library only. It never ends a process that it did not
start."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping

from .case import Failed, Row, Skipped

ROOT = pathlib.Path(__file__).resolve().parents[3]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
MODULE = pathlib.Path(os.environ.get("MODULE") or TARGET / "release/libjpki_pkcs11.so").resolve()
# What tests/consumers/install puts beside the module: venv/, node/, ..
TOOLS = TARGET / "consumers"
CONFIGURATIONS = ROOT / "pkcs11-test-config"
# The path in the configurations as shipped.
SHIPPED_MODULE = "/usr/lib/x86_64-linux-gnu/pkcs11/jpki-pkcs11.so"

PIN, PASSWORD = "1234", "ABC123"
AUTH, SIGN = "JPKI (User Authentication PIN)", "JPKI (Digital Signature PIN)"


def uri(token: str, kind: str = "", pin: str = "") -> str:
    """The RFC 7512 name of the key (`private`) or certificate (`cert`) of a token."""
    name = token.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
    number = "%01" if token == AUTH else "%02"
    whole = f"pkcs11:token={name};id={number}" + (f";type={kind}" if kind else "")
    return whole + (f"?pin-value={pin}" if pin else "")


class Bench:
    """Everything a case works with. Made inside tests/virtual-pcscd."""

    def __init__(self, directory: pathlib.Path, row: Row) -> None:
        self.row = row
        self.dir = directory
        self.home = directory / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.trace = directory / "module.log"
        self.certificates = pathlib.Path(os.environ["VIRTUAL_CARD_DIR"]) / "certificates"
        self.env = self._environment()
        self._started: list[subprocess.Popen[bytes]] = []

    def _environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("JPKI_", "XDG_", "GNUPG", "SSH_"))}
        env.update(
            HOME=str(self.home),
            LC_ALL="C.UTF-8",
            TMPDIR=str(self.dir),
            JPKI_PKCS11_LOG="jpki_pkcs11=debug",
            JPKI_PKCS11_LOG_FILE=str(self.trace),
        )
        return env

    # The card

    def control(self, *words: str) -> str:
        """Says something to the simulator and returns its answer without the `ok`."""
        out = subprocess.run(
            [os.environ["VIRTUAL_CARD_SIMULATOR"], "ctl", os.environ["VIRTUAL_CARD_CONTROL"], *words],
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout.strip()
        return out.removeprefix("ok").strip()

    def counters(self) -> dict[str, int]:
        """The card's own counters."""
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.control("counters"))}

    def logins(self) -> list[str]:
        """What C_Login answered, each time, as the module's trace has it."""
        text = self.trace.read_text(errors="replace") if self.trace.exists() else ""
        return re.findall(r"C_Login(?:User)?: (CKR_\w+)", text)

    def calls(self) -> list[str]:
        """The C functions that were called, in order, with their answers."""
        text = self.trace.read_text(errors="replace") if self.trace.exists() else ""
        return re.findall(r"(C_\w+: CKR_\w+)", text)

    @property
    def auth_certificate(self) -> pathlib.Path:
        """The authentication certificate on the card, PEM."""
        return self.certificates / "me-auth.pem"

    @property
    def sign_certificate(self) -> pathlib.Path:
        """The signature certificate on the card, PEM."""
        return self.certificates / "me-sign.pem"

    @property
    def auth_ca(self) -> pathlib.Path:
        """Who issued the authentication certificate, PEM."""
        return self.certificates / "auth-ca.pem"

    @property
    def sign_ca(self) -> pathlib.Path:
        """Who issued the signature certificate, PEM."""
        return self.certificates / "sign-ca.pem"

    # Commands

    def sh(
        self,
        *words: str | pathlib.Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        ok: bool = True,
        timeout: float = 40,
        cwd: pathlib.Path | None = None,
    ) -> str:
        """Runs a command and returns what it said on both streams; a non-zero exit is a failure
        unless `ok` is False."""
        line = [str(word) for word in words]
        given = stdin.encode() if isinstance(stdin, str) else stdin
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**self.env, **(env or {})}, cwd=cwd or self.dir, start_new_session=True,
        )
        try:
            out, _ = process.communicate(given, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            said = out.decode(errors="replace")
            raise Failed(f"{line[0]} did not end in {timeout:.0f} s\n{said}") from None
        said = out.decode(errors="replace")
        with (self.dir / "commands.log").open("a") as log:
            log.write(f"$ {' '.join(line)}\n{said}\n[exit {process.returncode}]\n")
        if ok and process.returncode != 0:
            raise Failed(f"{pathlib.Path(line[0]).name} exited with {process.returncode}\n{said}")
        return said

    def start(
        self, *words: str | pathlib.Path, env: Mapping[str, str] | None = None, name: str = ""
    ) -> pathlib.Path:
        """Starts a server; it is ended with the case. Returns the file of what it says."""
        log = self.dir / f"{name or pathlib.Path(str(words[0])).name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env={**self.env, **(env or {})}, cwd=self.dir,
                start_new_session=True,
            )
        self._started.append(process)
        return log

    def ended_last(self) -> bool:
        """Has what was started last ended by itself?"""
        return self._started[-1].poll() is not None

    def stop_last(self) -> None:
        """Ends the server started last."""
        _end(self._started.pop())

    def close(self) -> None:
        """Ends what was started."""
        for process in reversed(self._started):
            _end(process)

    # Files

    def file(self, name: str, content: str | bytes, mode: int = 0o600) -> pathlib.Path:
        """Writes a file on the bench."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def configuration(self, name: str, **changes: str) -> pathlib.Path:
        """A file of pkcs11-test-config with the path of the module under test in it. `changes`
        replace capital words of the file (PORT, PIN_FILE, ..)."""
        text = (CONFIGURATIONS / name).read_text()
        if SHIPPED_MODULE in text:
            text = text.replace(SHIPPED_MODULE, str(MODULE))
        for word, value in changes.items():
            if word not in text:
                raise Failed(f"{name} has no {word}")
            text = text.replace(word, value)
        return self.file("configuration/" + name, text)

    def document(self) -> pathlib.Path:
        """Something to sign."""
        return self.file("document.txt", "一枚の委任状 A power of attorney.\n" * 40)

    def register_with_p11_kit(self) -> None:
        """Makes ours the one module that p11-kit knows, for this mount namespace. As root p11-kit
        looks into no home."""
        folder = self.dir / "p11-kit-modules"
        folder.mkdir(exist_ok=True)
        shipped = self.configuration("p11-kit/jpki-pkcs11.module")
        (folder / "jpki-pkcs11.module").write_text(shipped.read_text())
        self.sh("mount", "--bind", folder, "/usr/share/p11-kit/modules")

    def install(self) -> pathlib.Path:
        """Puts the module where the configurations say, for this mount namespace."""
        place, folder = pathlib.Path(SHIPPED_MODULE), self.dir / "pkcs11"
        if not folder.exists():
            folder.mkdir()
            shutil.copy(MODULE, folder / place.name)
            self.sh("mount", "--bind", folder, place.parent)
        return place

    # Checks

    def check(self, truth: object, complaint: str) -> None:
        """Fails with the complaint unless it is so."""
        if not truth:
            raise Failed(complaint)

    def verify(
        self, signature: pathlib.Path, document: pathlib.Path, certificate: pathlib.Path,
        digest: str = "sha256", pss: bool = False,
    ) -> None:
        """OpenSSL, without our module, judges a bare signature with the card's certificate."""
        key = self.file("public.pem", self.sh("openssl", "x509", "-in", certificate, "-noout", "-pubkey"))
        more = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32",
                "-sigopt", f"rsa_mgf1_md:{digest}"] if pss else []
        self.sh("openssl", "dgst", f"-{digest}", *more, "-verify", key, "-signature", signature, document)

    def check_tries(self) -> None:
        """The card in the reader has all its tries: for cases that change it."""
        count = self.counters()
        self.check((count["auth_tries"], count["sign_tries"]) == (3, 5), f"a try was lost: {count}")

    def refused_only(self, *codes: str) -> None:
        """Each login that did not succeed was refused with one of these codes."""
        others = set(self.logins()) - {"CKR_OK", *codes}
        self.check(not others, f"C_Login answered {sorted(others)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            continue


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def wait_for(truth, complaint: str, seconds: float = 15) -> None:
    """Waits until the function says yes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if truth():
            return
        time.sleep(0.1)
    raise Failed(complaint)


def wait_for_port(port: int) -> None:
    """Waits until somebody listens there."""

    def listening() -> bool:
        with socket.socket() as it:
            it.settimeout(1)
            return it.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listening, f"nobody listens on port {port}")


def first_line(*words: str, pattern: str = r"(\d+\.\d[\w.\-+~]*)") -> str:
    """The version in what a command says."""
    try:
        out = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False,
                             stdin=subprocess.DEVNULL)
    except OSError:
        return ""
    found = re.search(pattern, out.stdout + out.stderr)
    return found.group(1) if found else ""


def package(name: str) -> str:
    """The upstream version of a Debian package."""
    words = ["dpkg-query", "-W", "-f", "${Version}", name]
    out = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return re.sub(r"^\d+:|[-+][^-]*$|\+dfsg.*", "", out)


def need(path: pathlib.Path | str, what: str) -> pathlib.Path:
    """The path if it is there; else the case is skipped."""
    if not pathlib.Path(path).exists():
        raise Skipped(f"{what} is not here (tests/consumers/install)")
    return pathlib.Path(path)
