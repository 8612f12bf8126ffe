"""The table of docs/login.md: what a login costs and what it leaves open, for this module and for OpenSC, with
the same card behind the same pcscd. Each row is played by processes; each figure is the card's own counter.

    table.py MODULE OPENSC        prints Markdown; exits with 1 if the module breaks a promise"""

import os
import random
import subprocess
import sys
import threading
import time

from pcsc import Gone
from fixture import Bystander, PINS, Victim, control, counters, settled

ROLE = ("auth", "sign")
broken = []


class Row:
    """One scenario: what it does with a victim, and what the module promises of it."""

    def __init__(self, name, role, play, promise, card="me"):
        self.name, self.role, self.play, self.promise, self.card = name, role, play, promise, card

    def run(self, path, bystander):
        # A card that may lose its last try is for one use.
        once = self.card.startswith("last")
        card = f"{self.card}-{'ours' if 'jpki' in os.path.basename(path) else 'opensc'}" if once else self.card
        if control("status")["inserted"] != card:
            control("swap", card)
            settled()
            bystander.connect()
        control("timing", "0,0,0")
        if not once:
            bystander.set_right()
        before = counters()
        victim = Victim(path)
        try:
            # Programs differ in how soon they see a card that has just been given power.
            for _ in range(20):
                if victim.ask("open", self.role) == "CKR_OK":
                    break
                time.sleep(0.2)
            outcome, loot = self.play(victim, bystander, self.role)
        finally:
            victim.end()
        after = counters(card)
        control("timing", "0,0,0")
        key = ROLE[self.role]
        spent = before[f"{key}_tries"] - after[f"{key}_tries"]
        verifies = after[f"{key}_verifies"] - before[f"{key}_verifies"]
        return outcome, spent, verifies, loot


def logins(*pins):
    """Logs in with each of them; nothing to attack."""
    def play(victim, _bystander, _role):
        answers = [victim.ask("login", pin) for pin in pins]
        return answers[-1], None
    return play


def attack(*calls, kill=False, after_end=False):
    """Logs in, makes the calls, then attacks."""
    def play(victim, bystander, role):
        outcome = victim.ask("login", PINS[role])
        for call in calls:
            outcome = victim.ask(call)
        if kill:
            victim.kill()
        if after_end:
            victim.end()
        return outcome, bystander.attack()
    return play


def killed_at_work(victim, bystander, role):
    """kill -9 while the card computes the signature, in the middle of the transaction."""
    victim.ask("login", PINS[role])
    control("timing", "0,0,1500")
    victim.start("sign")
    for _ in range(300):
        if control("verified")[ROLE[role]] == "yes":
            break
        time.sleep(0.005)
    time.sleep(0.1)
    victim.kill()
    loot = bystander.attack()
    control("timing", "0,0,0")
    bystander.selects_another_application()
    return "killed", loot


def meanwhile(deed, rounds=40):
    """Logs in and signs so many times while the bystander does something again and again, at its own pace."""
    def play(victim, bystander, role):
        results, over = [], threading.Event()

        def work():
            while not over.is_set():
                results.append(deed(bystander))

        if victim.ask("login", PINS[role]) != "CKR_OK":
            return "no login", None
        thread = threading.Thread(target=work)
        thread.start()
        good = sum(victim.ask("sign") == "CKR_OK" for _ in range(rounds))
        over.set()
        thread.join()
        loot = set().union(*(result for result in results if result))
        return f"{good} of {rounds} signed", loot if deed is hammer else None
    return play


def hammer(bystander):
    return bystander.attack()


def disturb(bystander):
    """One of the things that a neighbour may do, or a little rest."""
    random.choice([bystander.selects_another_application, bystander.resets, bystander.unpowers,
                   lambda: time.sleep(0.01)])()


def neighbour(deed):
    """Logs in and signs, and signs again after the deed. A neighbour's own tries are its own."""
    def play(victim, bystander, role):
        victim.ask("login", PINS[role])
        victim.ask("begin")
        victim.ask("update")
        deed(bystander)
        outcome = victim.ask("final")
        return outcome, bystander.attack()
    return play


def changed_elsewhere(victim, bystander, role):
    """Three programs are logged in. Another one changes the PIN, and each of the three signs. A command takes as long as
    with a real card: nobody changes a PIN within 50 ms of another program's VERIFY there (docs/login.md)."""
    control("timing", "20,0,0")
    module = victim.process.args[-1]
    all_three = [victim, Victim(module), Victim(module)]
    try:
        for one in all_three:
            while one is not victim and one.ask("open", role) != "CKR_OK":
                time.sleep(0.2)
            if one.ask("login", PINS[role]) != "CKR_OK":
                return "no login", None
        bystander.changes(PINS[role], b"4711")
        signed = sum(one.ask("sign") == "CKR_OK" for one in all_three)
    finally:
        for one in all_three[1:]:
            one.end()
    return f"{signed} of 3 signed, {counters()['auth_tries']} of 3 tries left", None


def kept_at_the_last_try(victim, bystander, role):
    """A program is logged in; another one fails until one try is left; the first one signs."""
    control("timing", "20,0,0")
    victim.ask("login", PINS[role])
    bystander.verifies_wrongly()
    bystander.verifies_wrongly()
    return f"{victim.ask('sign')}, {counters()['auth_tries']} of 3 tries left", None


def swapped(how):
    def deed(_bystander):
        control(how, "other")
        if how == "swap":
            settled()
    def play(victim, bystander, role):
        before = counters("other")
        victim.ask("login", PINS[role])
        victim.ask("begin")
        deed(bystander)
        outcome = victim.ask("sign-now")
        after = counters("other")
        sent = sum(after[f"{key}_verifies"] - before[f"{key}_verifies"] for key in ROLE)
        return f"{outcome}, {sent} PINs to the other card", None
    return play


WIDE = "１２３４".encode()
OPEN = "another process can use it"
ROWS = [
    ("PINs that cannot be right", [
        Row("the 4-digit PIN to the signature token (`ssh-add -s`)", 1, logins(b"1234"), (0, 0)),
        Row("the password to the authentication token", 0, logins(b"ABC123"), (0, 0)),
        Row("an empty PIN", 0, logins(b""), (0, 0)),
        Row("4 letters to the authentication token", 0, logins(b"abcd"), (0, 0)),
        Row("full-width digits, 300 bytes, NUL inside", 0, logins(WIDE, b"1" * 300, b"12\x004"), (0, 0)),
        Row("a password with a hyphen", 1, logins(b"ABC-123"), (0, 0)),
        Row("the right password in lower case", 1, logins(b"abc123"), (0, 1)),
    ]),
    ("Wrong PINs", [
        Row("the same wrong PIN, twice", 0, logins(b"9999", b"9999"), (1, 1)),
        Row("the same wrong password, four times", 1, logins(*[b"WRONG1"] * 4), (1, 1)),
        Row("two wrong PINs, one after another", 0, logins(b"9999", b"8888"), (2, 2)),
        Row("one try left, a wrong PIN", 0, logins(b"9999"), (0, 0), card="last-1"),
        Row("one try left, the right PIN", 0, logins(b"1234"), (0, 0), card="last-2"),
    ]),
    ("An attacker with a connection of its own", [
        Row("while the authentication token is logged in", 0, attack("sign"), None),
        Row("while the signature token is logged in", 1, attack("sign"), None),
        Row("between two `C_SignUpdate`", 0, attack("begin", "update"), None),
        Row("all the time, while 40 signatures are made", 0, meanwhile(hammer), "40 of 40"),
        Row("after `C_Logout`", 0, attack("sign", "logout"), None),
        Row("after `C_Logout` of the signature token", 1, attack("sign", "logout"), None),
        Row("after `C_CloseSession`", 0, attack("sign", "close"), None),
        Row("after `C_Finalize`", 0, attack("sign", "finalize"), None),
        Row("after the program has ended", 0, attack("sign", after_end=True), None),
        Row("after `kill -9`", 0, attack("sign", kill=True), None),
        Row("while logged in to a phone whose application cannot be left", 0, attack("sign"), None, card="phone"),
        Row("after `C_Logout` of such a phone", 0, attack("sign", "logout"), None, card="phone"),
        Row("after `kill -9` during a signature; a card that a warm reset logs out", 0, killed_at_work, None, card="resets"),
    ]),
    ("A neighbour between `C_SignUpdate` and `C_SignFinal`", [
        Row("selects another application", 0, neighbour(lambda it: it.selects_another_application()), "CKR_OK"),
        Row("verifies wrongly (its own try)", 0, neighbour(lambda it: it.verifies_wrongly()), "CKR_OK"),
        Row("resets the card", 0, neighbour(lambda it: it.resets()), "CKR_OK"),
        Row("takes its power", 0, neighbour(lambda it: it.unpowers()), "CKR_OK"),
        Row("any of these but the wrong PIN, all the time, 40 signatures", 0, meanwhile(disturb), "40 of 40"),
    ]),
    ("A PIN that another program changes, or fails at", [
        Row("changed while three programs are logged in; each signs", 0, changed_elsewhere, "2 of 3 tries left",
            card="last-3"),
        Row("failed until one try is left; a program that is logged in signs", 0, kept_at_the_last_try, "1 of 3 tries left",
            card="last-4"),
    ]),
    ("Another card between `C_SignInit` and `C_Sign`", [
        Row("in sight of pcscd", 0, swapped("swap"), "0 PINs"),
        Row("between two looks of pcscd at the reader", 0, swapped("swap-silent"), "0 PINs"),
    ]),
]
# No program can keep this promise; see docs/login.md.
KNOWN = Row("after `kill -9` during a signature; a card that a warm reset leaves logged in", 0, killed_at_work, None)


def keeps(row, outcome, spent, verifies, loot):
    if loot:
        return False
    if isinstance(row.promise, tuple):
        return (spent, verifies) == row.promise
    return row.promise is None or row.promise in outcome


def cell(outcome, spent, verifies, loot):
    prey = "" if loot is None else "; attacker: " + (", ".join(sorted(loot)) or "nothing")
    return f"{outcome.replace('CKR_', '')}; {max(spent, 0)} / {verifies}{prey}"


def together(paths, rounds=25):
    """Programs that sign at the same time, each in a process of its own; how many of their signatures came."""
    code = ("import sys, time; sys.path.insert(0, sys.argv[1]); import pkcs11\n"
            "it = pkcs11.Module(sys.argv[2])\n"
            "while not it.slots(): time.sleep(0.2)\n"
            "it = it.open(0); assert it.login(b'1234') == 0; good = 0\n"
            f"for _ in range({rounds}): good += it.tries_sign() == 0; time.sleep(0.02)\n"
            "print(good)")
    here = os.path.dirname(os.path.abspath(__file__))
    started = [subprocess.Popen([sys.executable, "-c", code, here, path], stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.DEVNULL) for path in paths]
    return [f"{it.communicate(timeout=120)[0].strip() or 'none'} of {rounds}" for it in started]


def main(module, opensc):
    bystander = Bystander()
    print("Each cell: what the last call answered; tries spent / VERIFYs sent; what the attacker got.\n")
    for title, rows in ROWS:
        print(f"| {title} | jpki-pkcs11 | OpenSC |\n|---|---|---|")
        for row in rows + ([KNOWN] if rows[-1].play is killed_at_work else []):
            cells = []
            for path in (module, opensc):
                try:
                    result = row.run(path, bystander)
                    cells.append(cell(*result))
                    if path == module and row is not KNOWN and not keeps(row, *result):
                        broken.append(row.name)
                except Gone as error:
                    cells.append(f"failed ({error})")
                    if path == module:
                        broken.append(row.name)
            print(f"| {row.name} | {cells[0]} | {cells[1]} |", flush=True)
        print()
    bystander.set_right()
    before = counters()
    print("| Two programs sign at the same time | first | second |\n|---|---|---|")
    for name, pair in (("jpki-pkcs11 twice", (module, module)), ("jpki-pkcs11 and OpenSC", (module, opensc)),
                       ("OpenSC twice", (opensc, opensc))):
        first, second = together(pair)
        print(f"| {name} | {first} | {second} |", flush=True)
        if name != "OpenSC twice" and {first, second} != {"25 of 25"}:
            broken.append(name)
    after = counters()
    print(f"\nTries left afterwards: {after['auth_tries']} and {after['sign_tries']} "
          f"(before: {before['auth_tries']} and {before['sign_tries']}).")
    for name in broken:
        print(f"BROKEN PROMISE: {name}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
