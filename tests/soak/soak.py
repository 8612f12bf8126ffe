"""Days of two programs with the module in them, beside others, with what happens to readers, cards, pcscd and the
machine. A day is a minute here; what a program polls keeps its real time. Called by `run`, inside tests/virtual-pcscd.

    soak.py MODULE OPENSC MINUTES SEED RESULTS

A step is calm or disturbed. In a calm one every call is right at the first attempt, and a login that nothing has ended
is still there. A disturbed one may fail with the codes of verdict.py; after it the cards are back within 20 s, and calm
work follows. In the evening everybody is logged out, and the figures are taken."""

import os
import pathlib
import random
import signal
import sys
import threading
import time
import traceback

import rig
from rig import PINS, Hangs, Pcscd, Program, at_once, control, counters
from verdict import Verdict

DAY = float(os.environ.get("SOAK_DAY") or 60)
# Mean time between two steps.
PAUSE = float(os.environ.get("SOAK_PAUSE") or 1)
BACK = 20
# At an APDU of somebody's. Removal and loss of power as they happen to cards; pcscd/faults.rs has the others.
FAULTS = ["removed-before", "removed-after", "reset-before", "reset-after", "power-cycled-before", "power-cycled-after",
          "other-application-before", "delay 2000", "delay 6500"]
# Of an APDU, a byte, a signature. A slow card is changed more often in the middle of something.
TIMINGS = ["0,0,0", "5,10,100"]
NO_CARD = "8010000C"
NEIGHBOURS = ["selects_another_application", "resets", "unpowers"]


class Soak:
    def __init__(self, module, opensc, minutes, seed, results):
        self.module, self.opensc, self.seed, self.random = module, opensc, seed, random.Random(seed)
        self.start, self.end = time.monotonic(), time.monotonic() + 60 * minutes
        self.long = minutes >= 30
        self.keys = rig.write_keys()
        self.verdict = Verdict(results, self.start)
        self.pcscd = Pcscd()
        self.inserted = ["me", "second"]
        # Slots at which the browser is logged in, and nothing has ended that.
        self.owed = set()
        # OpenSC, or a program that was killed, has left its login on the card.
        self.left_open = False
        self.browser = Program("browser", module, "once", "poll", "wait")
        self.office = Program("office", module, "once", settings={"JPKI_PKCS11_LOGIN_STATE": "card"})
        self.programs = [self.browser, self.office]

    def log(self, text):
        print(f"{time.monotonic() - self.start:7.1f} {text}", flush=True)

    def fail(self, text):
        self.log(f"FAILED {text}")
        self.verdict.failures.append(text)

    # Work

    def sign(self, program, slot, calm, *kept):
        card = self.inserted[slot // 2]
        # A login on the card ends when another program selects something else.
        for _ in range(1 if not calm else 12 if program is self.office else 2):
            said = program.ask("sign", slot, card, *kept)
            if "error" not in said:
                break
            if calm and slot in self.owed and program is self.browser:
                self.fail(f"{program.name}, slot {slot}: {said['error']} although it was logged in")
            self.note(program, slot, False)
        else:
            if calm:
                self.fail(f"{program.name} cannot sign in slot {slot}: {said['error']}")
            return
        if program is self.browser and said["fresh"] and slot in self.owed:
            self.fail(f"{program.name} was logged out of slot {slot}")
        self.note(program, slot, True)
        if not said["good"]:
            self.fail(f"{program.name}: a signature of slot {slot} is wrong")

    def note(self, program, slot, logged_in):
        if program is self.browser:
            (self.owed.add if logged_in else self.owed.discard)(slot)

    def short(self, slot, end, calm, delay):
        """A program that signs once. It ends well, without C_Finalize, or in the middle."""
        program = Program("short", self.module, "each", settings={"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "yes"})
        if end == "killed":
            self.left_open = True
            program.say("sign", slot, self.inserted[slot // 2])
            time.sleep(delay)
            program.kill()
            self.verdict.killed += 1
            return
        self.sign(program, slot, calm)
        self.verdict.report(program, program.ask("report"))
        if end == "well":
            program.ask("finalize")
        if program.end() != 0:
            self.fail(f"a short program ended with {program.process.returncode}")

    def neighbour_signs(self, slot, calm):
        self.left_open = True
        good, said = rig.opensc_signs(self.opensc, self.inserted[0], "sign" if slot % 2 else "auth", self.keys)
        self.verdict.neighbours[good] += 1
        if not good:
            self.log(f"OpenSC, {'calm' if calm else 'disturbed'}: {said}")

    def crew(self, calm, size=None, over=None):
        """Some programs with something to do, drawn now. The long-lived ones repeat it until it is `over`."""
        draw = self.random

        def signs(program, slots):
            while True:
                for slot in slots:
                    self.sign(program, slot, calm)
                if over is None or over.wait(0.05):
                    return

        every = []
        for program, most in ((self.browser, 4), (self.office, 2)):
            slots = [draw.randrange(4) for _ in range(draw.randint(1, most))]
            every.append(lambda program=program, slots=slots: signs(program, slots))
        slot, end, delay = draw.randrange(4), draw.choice(["well", "exits"]), draw.random()
        every.append(lambda: self.short(slot, end, calm, delay))
        other = draw.randrange(2)
        every.append(lambda: self.neighbour_signs(other, calm))
        draw.shuffle(every)
        return every[:size or draw.randint(1, 4)]

    # Calm steps

    def works(self):
        at_once(*self.crew(calm=True))

    def logs_out(self):
        program, slot = self.random.choice(self.programs), self.random.randrange(4)
        program.ask("logout", slot)
        self.note(program, slot, False)

    def mistypes(self):
        program, slot = self.random.choice(self.programs), self.random.randrange(4)
        role = "sign" if slot % 2 else "auth"
        card = self.inserted[slot // 2]
        wrong = rig.another_pin(PINS[card][role], self.random)
        program.ask("logout", slot)
        self.note(program, slot, False)
        said = program.ask("login", slot, wrong.encode().hex())
        self.verdict.wrong_typed += 1
        if said.get("error") != "C_Login: CKR_PIN_INCORRECT":
            self.fail(f"a wrong PIN was answered with {said}")
        self.sign(program, slot, calm=True)
        self.tries_are_whole()

    def starts_again(self):
        self.office.ask("restart")

    def rests(self):
        time.sleep(self.random.uniform(1, 4))

    # Disturbed steps. What is drawn is drawn before anything happens, so that a seed gives the same steps.

    def disturbed(self, happens, size=None, ends_logins=False):
        over = threading.Event()

        def happens_once():
            try:
                happens()
            finally:
                over.set()
        at_once(happens_once, *self.crew(calm=False, size=size or self.random.randint(2, 4), over=over))
        if ends_logins:
            self.owed.clear()
        self.recovered()

    def card_out_and_in(self):
        reader, delay, gap = self.random.randrange(2), self.random.random(), self.random.uniform(0.1, 3)

        def happens():
            time.sleep(delay)
            control("remove", reader)
            time.sleep(gap)
            control("insert", reader)
        self.disturbed(happens, ends_logins=True)

    def other_persons_card(self):
        """Only who is logged in signs meanwhile: nobody types a PIN for another person's card."""
        card = "other" if self.inserted[0] == "me" else "me"
        delay, slots = self.random.random(), [self.random.randrange(2) for _ in range(8)]

        def happens():
            time.sleep(delay)
            control("remove")
            time.sleep(1.3)
            control(f"insert {card}")
        at_once(happens, *(lambda program=program: [self.sign(program, slot, False, "kept") for slot in slots]
                           for program in self.programs))
        self.inserted[0] = card
        self.owed.clear()
        self.recovered()

    def fault(self):
        reader, kind, place = self.random.randrange(2), self.random.choice(FAULTS), self.random.randint(1, 12)
        control(f"misbehave {place} {kind}", reader)
        at_once(*self.crew(calm=False, size=3))
        control("clear", reader)
        if control("status", reader)["inserted"] == "-":
            # pcscd looks at the reader each 0.4 s.
            time.sleep(0.9)
            control("insert", reader)
            self.owed.clear()
        self.recovered()

    def neighbours(self):
        """Nothing that they do ends a login of the browser's, or fails one of its signatures."""
        reader, deeds = self.random.randrange(2), [self.random.choice(NEIGHBOURS) for _ in range(8)]
        slots = [2 * reader + self.random.randrange(2) for _ in range(6)]
        at_once(lambda: rig.neighbour(reader, *deeds), lambda: [self.sign(self.browser, slot, True) for slot in slots])
        self.recovered()

    def opensc_resets(self):
        reader, kind = self.random.randrange(2), self.random.choice(["warm", "cold"])
        self.disturbed(lambda: rig.opensc_reset(reader, kind))

    def program_is_killed(self):
        slot, delay = self.random.randrange(4), self.random.random() / 4
        at_once(lambda: self.short(slot, "killed", False, delay), *self.crew(calm=False, size=2))
        self.recovered()

    def pcscd_hangs(self):
        delay, rare = self.random.random(), self.random.random() < 0.1
        seconds = self.random.uniform(0.5, 7)

        def happens():
            time.sleep(delay)
            self.pcscd.send(signal.SIGSTOP)
            time.sleep(36 if rare and self.long else seconds)
            self.pcscd.send(signal.SIGCONT)
        self.disturbed(happens)

    def host_is_stopped(self):
        """In the middle of something, perhaps with the card in its hands."""
        program, delay, seconds = self.random.choice(self.programs), self.random.random() / 5, self.random.uniform(1, 8)

        def happens():
            time.sleep(delay)
            program.stop()
            time.sleep(seconds)
            program.go_on()
        self.disturbed(happens, size=4)

    def machine_sleeps(self):
        delay, seconds, power = self.random.random(), self.random.uniform(1, 8), self.random.random() < 0.7

        def happens():
            time.sleep(delay)
            for program in self.programs:
                program.stop()
            self.pcscd.send(signal.SIGSTOP)
            for reader in (0, 1) if power else ():
                control("misbehave 1 power-cycled-before", reader)
            time.sleep(seconds)
            self.pcscd.send(signal.SIGCONT)
            for program in self.programs:
                program.go_on()
        self.disturbed(happens, size=2)
        for reader in (0, 1):
            control("clear", reader)

    def pcscd_restarts(self):
        delay, gap = self.random.random(), self.random.uniform(0.2, 4)
        how, away = self.random.choice([signal.SIGTERM, signal.SIGTERM, signal.SIGKILL]), self.random.random() < 0.3

        def happens():
            time.sleep(delay)
            self.pcscd.stop(how)
            time.sleep(gap)
            if away:
                # The reader is unplugged for a while.
                self.pcscd.start(readers=False)
                time.sleep(gap)
                self.pcscd.stop()
            self.pcscd.start()
        self.disturbed(happens, ends_logins=True)

    def recovered(self):
        begin = time.monotonic()
        while True:
            present = [len(program.ask("present")["present"]) for program in self.programs]
            if present == [4, 4]:
                break
            for reader in (0, 1):
                # pcscd has missed the card: docs/pcscd.md, "Cards and power". Its holder tries again.
                if time.monotonic() - begin > 5 and NO_CARD in rig.neighbour(reader):
                    self.verdict.missed += 1
                    control("remove", reader)
                    time.sleep(0.9)
                    control("insert", reader)
                    time.sleep(1.3)
            if time.monotonic() - begin > BACK:
                raise Hangs(f"after {BACK} s the programs see {present} of 4 tokens")
            time.sleep(0.2)
        self.verdict.longest_back = max(self.verdict.longest_back, time.monotonic() - begin)
        for program in self.programs:
            for slot in (0, 1, 2, 3):
                self.sign(program, slot, calm=True)
        self.tries_are_whole()

    # The evening

    def tries_are_whole(self):
        for card in PINS:
            told = counters(card)
            if (told["auth_tries"], told["sign_tries"]) != (3, 5):
                self.fail(f"{card} has {told['auth_tries']} and {told['sign_tries']} tries")

    def nothing_is_open(self):
        for reader in (0, 1):
            told = control("verified", reader)
            if "yes" in (told["auth"], told["sign"]):
                self.fail(f"the card {self.inserted[reader]} is open: {told}")

    def evening(self, day):
        """Everybody signs everywhere and logs out, so that each evening finds the programs in the same state."""
        for slot in (0, 1, 2, 3):
            self.office.ask("logout", slot)
        if self.left_open:
            # docs/login.md, "What this does not cover".
            for reader in (0, 1):
                rig.neighbour(reader, "unpowers")
            self.left_open = False
        self.nothing_is_open()
        # What the office leaves on the card, it takes away itself; so the browser is the last.
        for program in (self.office, self.browser):
            for slot in (0, 1, 2, 3):
                self.sign(program, slot, calm=True)
                program.ask("logout", slot)
                self.note(program, slot, False)
        self.nothing_is_open()
        self.tries_are_whole()
        time.sleep(1.5)
        for program in self.programs:
            self.verdict.sample(day, program.name, program.process.pid, self.verdict.report(program, program.ask("report")))
        self.verdict.sample(day, "pcscd", self.pcscd.pid, None)

    def live(self):
        day, names = 0, list(STEPS)
        while time.monotonic() < self.end - DAY / 3:
            day += 1
            night = min(time.monotonic() + DAY, self.end)
            # When a day begins is not in the seed, so this must not take part in the drawing of steps.
            for reader in (0, 1):
                control(f"timing {random.Random(f'{self.seed} {day} {reader}').choice(TIMINGS)}", reader)
            while time.monotonic() < night - DAY / 10:
                step = self.random.choices(names, STEPS.values())[0]
                self.log(step.__name__)
                self.verdict.steps[step.__name__] += 1
                step(self)
                time.sleep(self.random.expovariate(1 / PAUSE))
            self.log(f"evening {day}")
            self.evening(day)

    def farewell(self):
        """C_Finalize leaves the program with nothing of the module's."""
        for program in self.programs:
            program.ask("finalize")
        time.sleep(2)
        for program in self.programs:
            for text in self.verdict.left(program.process.pid):
                self.fail(f"{program.name} after C_Finalize: {text}")
            if program.end() != 0:
                self.fail(f"{program.name} ended with {program.process.returncode}")


# How often, against the others.
STEPS = {
    Soak.works: 8, Soak.logs_out: 3, Soak.mistypes: 2, Soak.starts_again: 1, Soak.rests: 3, Soak.card_out_and_in: 4,
    Soak.other_persons_card: 1, Soak.fault: 4, Soak.neighbours: 2, Soak.opensc_resets: 1, Soak.program_is_killed: 2,
    Soak.pcscd_hangs: 1, Soak.host_is_stopped: 1, Soak.machine_sleeps: 1, Soak.pcscd_restarts: 1,
}


def main(module, opensc, minutes, seed, results):
    soak = Soak(module, opensc, float(minutes), int(seed), pathlib.Path(results))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        soak.live()
        soak.farewell()
    except Exception as error:  # noqa: BLE001  whatever it is, the figures are shown
        traceback.print_exc()
        soak.fail(f"{type(error).__name__}: {error}")
    finally:
        for program in soak.programs:
            program.kill()
        if soak.pcscd.child:
            soak.pcscd.stop()
    return 0 if soak.verdict.pronounce(soak.programs) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
