"""A program that has the module in it, for long or for one signature. It polls as a browser does, waits for events, and
does what each line of its input says. It answers each line with a line of JSON.

    host.py MODULE CONTEXT [poll] [wait]

CONTEXT is `each` for a program that logs in for each signature, `once` for others.
    sign SLOT CARD [kept]  opens a session and logs in where that is missing, unless `kept`; signs, and checks the
                           signature with CARD's key
    login SLOT PIN         the PIN in hexadecimal
    logout SLOT            closes all sessions of the slot
    present                the slots with a token
    restart                C_Finalize and C_Initialize
    report                 the calls since the last report
    finalize               C_Finalize; what is left is only the program itself
Slots are places in the list of all slots: 0 and 1 of the first reader, 2 and 3 of the second; even ones authenticate.
Environment: SOAK_KEYS, a JSON file with the modulus of each card's keys, and SOAK_PINS with their PINs."""

import collections
import ctypes as c
import gc
import hashlib
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../compare-opensc"))
from pkcs11 import CKO_CERTIFICATE, OK, U, Attribute, Error, Module, TokenInfo, name

OS_LOCKING = 2
CKA_VALUE = 0x11
USER_ALREADY_LOGGED_IN, NOT_LOGGED_IN, NOT_INITIALIZED, ABSENT = 0x100, 0x101, 0x190, 0xE0
# Calls above this are reported one by one, with their time.
SLOW = 1.0
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


class Arguments(c.Structure):  # CK_C_INITIALIZE_ARGS
    _fields_ = [("functions", c.c_void_p * 4), ("flags", U), ("reserved", c.c_void_p)]


class Usage(c.Structure):  # struct mallinfo2 of glibc
    _fields_ = [(word, c.c_size_t) for word in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                                                "uordblks", "fordblks", "keepcost")]


class SlotInfo(c.Structure):
    _fields_ = [("description", c.c_char * 64), ("manufacturer", c.c_char * 32), ("flags", U), ("versions", c.c_ubyte * 4)]


class SessionInfo(c.Structure):
    _fields_ = [("slot", U), ("state", U), ("flags", U), ("error", U)]


def is_signature(modulus, data, signature):
    """RSASSA-PKCS1-v1_5 with SHA-256 and the exponent 65537."""
    block = DIGEST_INFO + hashlib.sha256(data).digest()
    padded = b"\x00\x01" + b"\xff" * (len(signature) - len(block) - 3) + b"\x00" + block
    return len(signature) == 256 and pow(int.from_bytes(signature, "big"), 65537, modulus) == int.from_bytes(padded, "big")


def bytes_in_use():
    """What malloc has given out in this process, the module's part included. 0 without such a malloc."""
    function = getattr(c.CDLL(None), "mallinfo2", None)
    if function is None:
        return 0
    function.restype = Usage
    usage = function()
    return usage.uordblks + usage.hblkhd


class Measured(Module):
    """Counts and times each call."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.fresh()
        super().__init__(path, self.arguments())

    @staticmethod
    def arguments():
        return c.byref(Arguments(flags=OS_LOCKING))

    def fresh(self):
        self.calls, self.longest, self.slow = collections.Counter(), collections.Counter(), []

    def call(self, function, *arguments):
        start = time.monotonic()
        rv = super().call(function, *arguments)
        end = time.monotonic()
        with self.lock:
            self.calls[f"{function} {name(rv)}"] += 1
            if function == "C_WaitForSlotEvent":
                return rv
            self.longest[function] = max(self.longest[function], end - start)
            if end - start > SLOW:
                self.slow.append([function, start, end])
        return rv

    def taken(self):
        with self.lock:
            taken = {"calls": self.calls, "longest": self.longest, "slow": self.slow}
            self.fresh()
        return taken


class Host:
    def __init__(self, path, context):
        with open(os.environ["SOAK_KEYS"]) as keys, open(os.environ["SOAK_PINS"]) as pins:
            self.keys, self.pins = json.load(keys), json.load(pins)
        self.context = context == "each"
        self.module = Measured(path)
        self.sessions, self.logged_in = {}, set()
        self.good = self.bad = 0

    def slots(self):
        # New readers are listed after a question for the number.
        self.module.call("C_GetSlotList", c.c_ubyte(0), None, c.byref(U()))
        return self.module.slots(0)

    # Threads of a browser

    def poll(self):
        while True:
            try:
                for slot in self.slots():
                    self.module.call("C_GetSlotInfo", U(slot), c.byref(SlotInfo()))
                    self.module.call("C_GetTokenInfo", U(slot), c.byref(TokenInfo()))
                for session in list(self.sessions.values()):
                    session.call("C_GetSessionInfo", c.byref(SessionInfo()))
            except Error as error:
                if error.rv == NOT_INITIALIZED:
                    return
            time.sleep(1)

    def wait(self):
        while self.module.call("C_WaitForSlotEvent", U(0), c.byref(U()), None) != NOT_INITIALIZED:
            pass

    # Commands

    def place(self, slot):
        if slot >= len(slots := self.slots()):
            raise Error("no reader", ABSENT)
        return slots[slot]

    def login(self, slot, pin):
        if slot not in self.sessions:
            session = self.module.open_slot(self.place(slot), slot)
            session.slot = U(self.place(slot))
            self.sessions[slot] = session
            # A browser reads the certificates of a new card.
            for certificate in session.find(CKO_CERTIFICATE):
                value = Attribute(CKA_VALUE, c.cast(c.create_string_buffer(4096), c.c_void_p), 4096)
                session.check("C_GetAttributeValue", U(certificate), c.byref(value), U(1))
        rv = self.sessions[slot].login(pin)
        if rv not in (OK, USER_ALREADY_LOGGED_IN):
            raise Error("C_Login", rv)
        self.logged_in.add(slot)
        return {}

    def sign(self, slot, card, kept=None):
        role = "sign" if slot % 2 else "auth"
        pin = self.pins[card][role].encode()
        fresh = slot not in self.logged_in
        if fresh and kept:
            raise Error("not logged in", NOT_LOGGED_IN)
        if fresh:
            self.login(slot, pin)
        data = os.urandom(100)
        signature = self.sessions[slot].sign(context=pin if self.context else None, data=data)
        good = is_signature(self.keys[card][role], data, signature)
        self.good, self.bad = self.good + good, self.bad + (not good)
        return {"fresh": fresh, "good": good}

    def forget(self, slot):
        self.logged_in.discard(slot)
        if session := self.sessions.pop(slot, None):
            self.module.call("C_CloseAllSessions", session.slot)

    def answer(self, word, *rest):
        slot = int(rest[0]) if rest else 0
        if word in ("sign", "login"):
            try:
                return self.sign(slot, *rest[1:]) if word == "sign" else self.login(slot, bytes.fromhex(rest[1]))
            except Error as error:
                self.forget(slot)
                return {"error": str(error)}
        if word == "logout":
            if slot in self.logged_in:
                self.sessions[slot].call("C_Logout")
            self.forget(slot)
            return {}
        if word == "present":
            return {"present": self.module.slots()}
        if word == "restart":
            self.module.finalize()
            self.sessions, self.logged_in = {}, set()
            self.module.check("C_Initialize", self.module.arguments())
            self.slots()
            return {}
        if word == "report":
            good, bad, self.good, self.bad = self.good, self.bad, 0, 0
            gc.collect()
            return {**self.module.taken(), "good": good, "bad": bad, "heap": bytes_in_use()}
        if word == "finalize":
            self.module.finalize()
            return {}
        raise ValueError(word)


def main(path, context, *habits):
    host = Host(path, context)
    for habit in habits:
        threading.Thread(target=getattr(host, habit), daemon=True).start()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        try:
            said = host.answer(*line.split())
        except Error as error:
            said = {"error": str(error)}
        print(json.dumps(said), flush=True)
    # Without C_Finalize, unless it was told.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
