"""What the scenarios share: the virtual card's control socket, a victim process, an attacker."""

import os
import subprocess
import sys
import time

from pcsc import JPKI, UNPOWER, Neighbour

HERE = os.path.dirname(os.path.abspath(__file__))
PINS = [b"1234", b"ABC123"]


def control(*words):
    command = [os.environ["VIRTUAL_CARD_SIMULATOR"], "ctl", os.environ["VIRTUAL_CARD_CONTROL"], *words]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return dict(word.split("=", 1) for word in said.split() if "=" in word)


def counters(card=None):
    return {key: int(value) for key, value in control("counters", *([card] if card else [])).items()}


class Victim:
    """A process with a module in it."""

    def __init__(self, module, environment=None, secrets=None):
        """`secrets`: the reading end of a pipe, see victim.py."""
        if secrets is not None:
            environment = {**(environment or {}), "SECRET_FD": str(secrets)}
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "victim.py"), module], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
            env={**os.environ, **(environment or {})}, pass_fds=[] if secrets is None else [secrets])
        self.expect("ready")

    def expect(self, word):
        said = self.process.stdout.readline().strip()
        assert said == word, f"{said!r}, not {word!r}"

    def start(self, *words):
        self.process.stdin.write(" ".join(word.hex() if isinstance(word, bytes) else str(word) for word in words) + "\n")

    def ask(self, *words):
        self.start(*words)
        return self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Bystander(Neighbour):
    """Sets the card right between two scenarios, and attacks in them."""

    def set_right(self):
        """All tries, nothing verified."""
        verify = [bytes([0x00, 0x20, 0x00, file, len(pin)]) + pin for file, pin in zip((0x98, 0x9B), PINS)]
        self.transaction(JPKI, *verify, disposition=UNPOWER)


def settled():
    """Time for pcscd, which looks at the virtual reader every 400 ms."""
    time.sleep(0.9)
