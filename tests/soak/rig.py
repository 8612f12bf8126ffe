"""What the soak works with: programs that have the module in them, the private pcscd, the simulated cards, OpenSC.
Ends only what it started."""

import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "compare-opensc"))
FOLDER = pathlib.Path(os.environ["VIRTUAL_CARD_DIR"])
PINS = {"me": {"auth": "1234", "sign": "ABC123"}, "other": {"auth": "7410", "sign": "OTHER99"},
        "second": {"auth": "2580", "sign": "SECOND5"}}
LABELS = {"auth": "JPKI (User Authentication PIN)", "sign": "JPKI (Digital Signature PIN)"}


def control(line, reader=0):
    """One line to a reader's simulator, and what its answer says."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(os.environ["VIRTUAL_CARD_CONTROL_2" if reader else "VIRTUAL_CARD_CONTROL"])
        stream.sendall(line.encode() + b"\n")
        with stream.makefile() as file:
            answer = file.readline().strip()
    assert answer.startswith("ok"), f"{line}: {answer}"
    return dict(word.split("=", 1) for word in answer.split() if "=" in word)


def counters(card):
    return {key: int(value) for key, value in control(f"counters {card}", int(card == "second")).items()}


def another_pin(right, draw):
    """As long as the right one, of digits."""
    while (wrong := f"{draw.randrange(10 ** len(right)):0{len(right)}d}") == right:
        pass
    return wrong


def write_keys():
    """The modulus of each key, from the certificates that the simulator exports: the module has no part in it."""
    keys = {}
    for card in PINS:
        for role in LABELS:
            said = subprocess.run(["openssl", "x509", "-noout", "-modulus", "-in", FOLDER / f"certificates/{card}-{role}.pem"],
                                  capture_output=True, text=True, check=True).stdout
            keys.setdefault(card, {})[role] = int(said.strip().removeprefix("Modulus="), 16)
    (FOLDER / "keys.json").write_text(json.dumps(keys))
    (FOLDER / "pins.json").write_text(json.dumps(PINS))
    return keys


def at_once(*works):
    """Each on a thread of its own; returns when all have."""
    broken = []

    def run(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001  it is raised by the caller
            broken.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]


class Hangs(Exception):
    pass


class Program:
    """A process with the module in it: host.py."""

    def __init__(self, name, module, context, *habits, settings=()):
        self.name = name
        # Calls that send a PIN. A login on the card sends it once.
        card = "JPKI_PKCS11_LOGIN_STATE" in dict(settings)
        self.sends = {"C_Login"} if card else {"C_Login", "C_Sign"}
        self.log = FOLDER / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("JPKI_", "XDG_"))}
        # Without its caches by thread, malloc knows to the byte what it has given out.
        environment.update(settings, GLIBC_TUNABLES="glibc.malloc.tcache_count=0", HOME=str(FOLDER), LC_ALL="C.UTF-8", JPKI_PKCS11_LOG_FILE=str(self.log),
                           SOAK_KEYS=str(FOLDER / "keys.json"), SOAK_PINS=str(FOLDER / "pins.json"))
        with open(self.log.with_suffix(".stderr"), "a") as errors:
            self.process = subprocess.Popen([sys.executable, HERE / "host.py", module, context, *habits], env=environment,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        self.answers, self.turn, self.stops = queue.Queue(), threading.Lock(), []
        threading.Thread(target=self.listen, daemon=True).start()
        self.hear(60)

    def listen(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))
        self.answers.put(None)

    def hear(self, limit):
        try:
            answer = self.answers.get(timeout=limit)
        except queue.Empty:
            raise Hangs(f"{self.name} does not answer within {limit} s") from None
        if answer is None:
            raise Hangs(f"{self.name} has ended with {self.process.wait()}")
        return answer

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def ask(self, *words, limit=200):
        with self.turn:
            self.say(*words)
            return self.hear(limit)

    def stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        self.stops.append([time.monotonic(), None])

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)
        # What it missed is still felt for a moment.
        self.stops[-1][1] = time.monotonic() + 0.5

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        """Without C_Finalize, unless it was asked."""
        self.process.stdin.close()
        return self.process.wait(30)


class Pcscd:
    def __init__(self):
        self.pid, self.child = int(os.environ["VIRTUAL_CARD_PCSCD"]), None

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM):
        self.send(number)
        self.send(signal.SIGCONT)
        if self.child:
            self.child.wait(30)
        deadline = time.monotonic() + 30
        # The first one is a child of tests/virtual-pcscd, which does not wait for it.
        while state_of(self.pid) not in ("Z", None) and time.monotonic() < deadline:
            time.sleep(0.02)

    def start(self, readers=True):
        conf, away = FOLDER / "conf/reader.conf", FOLDER / "reader.conf"
        if readers and away.exists():
            away.rename(conf)
        elif not readers:
            conf.rename(away)
        self.child = subprocess.Popen([HERE.parent / "virtual-pcscd", "--pcscd", FOLDER])
        self.pid = self.child.pid
        for _ in range(1500):
            try:
                with socket.socket(socket.AF_UNIX) as stream:
                    return stream.connect(os.environ["PCSCLITE_CSOCK_NAME"])
            except OSError:
                time.sleep(0.02)
        raise Hangs("pcscd does not start")


def state_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return None


def neighbour(reader, *deeds):
    """Another PC/SC program: see compare-opensc/pcsc.py. Returns what it said, which is nothing if all went well."""
    code = ("import sys, time, pcsc\nit = pcsc.Neighbour(int(sys.argv[1]))\n"
            "for deed in sys.argv[2:]:\n getattr(it, deed)()\n time.sleep(0.05)")
    return subprocess.run([sys.executable, "-c", code, str(reader), *deeds], timeout=120, capture_output=True, text=True,
                          check=False, env={**os.environ, "PYTHONPATH": str(HERE.parent / "compare-opensc")}).stderr


def opensc_reset(reader, kind):
    return subprocess.run(["opensc-tool", "--reader", str(reader), "--reset", kind], timeout=120, check=False,
                          capture_output=True).returncode == 0


def opensc_signs(module, card, role, keys):
    """OpenSC's pkcs11-tool logs in to the first reader's card and signs."""
    from host import is_signature
    data = os.urandom(100)
    (FOLDER / "opensc.in").write_bytes(data)
    out = FOLDER / "opensc.out"
    out.unlink(missing_ok=True)
    # It would send the PIN to the second reader's card while there is none in the first.
    (FOLDER / "opensc.conf").write_text('app default { ignored_readers = "00 01"; }')
    done = subprocess.run(["pkcs11-tool", "--module", module, "--token-label", LABELS[role], "--login", "--pin",
                           PINS[card][role], "--sign", "--id", "02" if role == "sign" else "01", "--mechanism",
                           "SHA256-RSA-PKCS", "--input-file", FOLDER / "opensc.in", "--output-file", out], timeout=120,
                          check=False, capture_output=True, text=True,
                          env={**os.environ, "OPENSC_CONF": str(FOLDER / "opensc.conf")})
    good = done.returncode == 0 and is_signature(keys[card][role], data, out.read_bytes())
    return good, (done.stderr.strip().splitlines() or [""])[-1]
