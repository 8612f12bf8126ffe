"""The virtual card of a browser test, the module under test and the rows of its result. Standard
library. It never drives a browser."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MODULE = pathlib.Path(os.environ.get("MODULE", TARGET / "release" / "libjpki_pkcs11.so"))
# Where the package puts it, and what the configuration files say.
INSTALLED_MODULE = "/usr/lib/x86_64-linux-gnu/pkcs11/jpki-pkcs11.so"
CONFIGURATION = ROOT / "pkcs11-test-config"
PIN = "1234"
PASSWORD = "ABC123"
AUTHENTICATION = "JPKI (User Authentication PIN)"
SIGNATURE = "JPKI (Digital Signature PIN)"


def beside_a_virtual_card(*options):
    """Starts this program again with a virtual card, unless there is one."""
    if "VIRTUAL_CARD_CONTROL" not in os.environ:
        runner = str(ROOT / "tests" / "virtual-pcscd")
        os.execv(runner, [runner, *options, "--", sys.executable, *sys.argv])
    if not MODULE.exists():
        sys.exit(f"{MODULE} is not there: cargo build --release")


class Card:
    """The card in the first reader, through the simulator's control socket."""

    def __init__(self):
        self.folder = pathlib.Path(os.environ["VIRTUAL_CARD_DIR"])
        self.certificates = self.folder / "certificates"
        self.authentication_ca = self.certificates / "auth-ca.pem"
        self.signature_ca = self.certificates / "sign-ca.pem"
        self.authentication = self.certificates / "me-auth.pem"
        self.signature = self.certificates / "me-sign.pem"

    @staticmethod
    def control(*words):
        """The answer to a command, without its `ok`."""
        done = subprocess.run(
            [os.environ["VIRTUAL_CARD_SIMULATOR"], "ctl", os.environ["VIRTUAL_CARD_CONTROL"], *words],
            check=True, capture_output=True, text=True)
        return done.stdout.strip().removeprefix("ok").strip()

    def counters(self):
        """Tries left, PINs sent, signatures made, APDUs."""
        return {key: int(value) for key, value in
                (part.split("=") for part in self.control("counters", "me").split())}

    def apdus(self):
        """APDUs since the start."""
        return self.counters()["apdus"]

    def remove(self):
        """Takes the card out; pcscd sees that within half a second."""
        self.control("remove")
        time.sleep(1.5)

    def insert(self):
        """Puts it back."""
        self.control("insert")
        time.sleep(1.5)


class Rows:
    """Prints one line of JSON for each case, on what was the standard output; the rest goes to the
    standard error."""

    def __init__(self, program, version, card):
        self.program, self.version, self.card = program, version, card
        self.failed = 0
        self._output = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    @contextlib.contextmanager
    def case(self, what, tls=None):
        """One case: an exception makes it a FAIL. `Skip` says why not."""
        before, started = self.card.counters(), time.monotonic()
        row = {"program": self.program, "version": self.version, "what": what,
               "tls12": tls == "1.2" or None, "tls13": tls == "1.3" or None}
        result, why = "PASS", ""
        notes = []
        try:
            yield notes
        except Skip as reason:
            result, why = "SKIP", str(reason)
        except Exception as error:  # noqa: BLE001  whatever it raises, the row fails
            result, why = "FAIL", f"{type(error).__name__}: {error}"
            self.failed += 1
            traceback.print_exc()
        after = self.card.counters()
        sent = sum(after[key] - before[key] for key in ("auth_verifies", "sign_verifies"))
        signed = sum(after[key] - before[key] for key in ("auth_signatures", "sign_signatures"))
        if result == "FAIL":
            row.update({key: False for key in ("tls12", "tls13") if row[key]})
        row.update(logins=next((note["logins"] for note in notes if "logins" in note), 0),
                   signatures=signed, result=result,
                   why=why or "; ".join(note["note"] for note in notes if "note" in note),
                   pins_sent_to_card=sent, apdus=after["apdus"] - before["apdus"],
                   seconds=round(time.monotonic() - started, 1))
        print(json.dumps(row, ensure_ascii=False), file=self._output, flush=True)

    def finish(self):
        """The exit status."""
        return 1 if self.failed else 0


class Skip(Exception):
    """A case that cannot be run here, and why."""


def check(condition, message):
    """An assertion that does not vanish."""
    if not condition:
        raise AssertionError(message)


def wait_for(what, condition, seconds=30.0, pause=0.1):
    """Waits until a condition holds, and gives its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


@contextlib.contextmanager
def workspace(name):
    """A folder for profiles and logs. It is kept, and named, when CONSUMERS_KEEP is set."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}."))
    try:
        yield folder
    finally:
        if os.environ.get("CONSUMERS_KEEP"):
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def need(*programs):
    """Stops when a program is not installed."""
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)}")


def version_of(program):
    """The version that a program says it is."""
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"[0-9][0-9.]+(esr)?", output)
    return found.group(0) if found else "?"


def nss_database(folder, authority):
    """A new NSS database without a password that trusts the authority."""
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for command in (["certutil", "-N", "--empty-password"],
                    ["certutil", "-A", "-n", "test CA", "-t", "C,,", "-i", str(authority)]):
        subprocess.run([*command, "-d", f"sql:{folder}"], check=True, capture_output=True)


def add_module(folder, library, parameters=None):
    """What a person types to add the module to an NSS database."""
    extra = ["-string", parameters] if parameters else []
    subprocess.run(["modutil", "-dbdir", f"sql:{folder}", "-add", "jpki-pkcs11", "-libfile",
                    str(library), "-force", *extra], check=True, capture_output=True,
                   stdin=subprocess.DEVNULL)
