"""A program that uses a PKCS#11 module: reads calls from its input, one a line, and answers each with a line.
It is run as a process of its own, so that it can exit, be killed and be looked at.

    victim.py MODULE
    open ROLE | login PIN | context PIN | sign | begin | update | final | cancel | logout | close | finalize | flags
    certificate | setpin OLD NEW | exit
    slots | fork | reap
PINs are hexadecimal, or @N for N bytes that wait in the pipe SECRET_FD: those are read into one page, handed
to the module from there and wiped, so that Python never has a copy. ROLE: 0 authentication, 1 signature."""

import ctypes as c
import mmap
import os
import sys

import pkcs11
from pkcs11 import U, name

module = pkcs11.Module(sys.argv[1])
session = None
role = 0
child = 0
page = mmap.mmap(-1, mmap.PAGESIZE)
place = c.addressof(c.c_ubyte.from_buffer(page))


def given(part, at=0):
    """A PIN to hand to the module, and its length. `at`: where in the page it is to lie."""
    if not part.startswith("@"):
        return bytes.fromhex(part), len(part) // 2
    length = int(part[1:])
    view = memoryview(page)[at:at + length]
    while view:
        view = view[os.readv(int(os.environ["SECRET_FD"]), [view]):]
    return place + at, length


def answer(word, *rest):
    global session, role, child
    if word == "slots":
        return str(len(module.slots()))
    if word == "fork":
        child = os.fork()
        if child == 0:
            while True:
                os.read(0, 0)
                __import__("time").sleep(60)
        return str(child)
    if word == "reap":
        os.kill(child, 9)
        os.waitpid(child, 0)
        return "CKR_OK"
    if word == "open":
        role = int(rest[0])
        session = module.open(role)
        return "CKR_OK"
    if word == "login":
        pin, length = given(*rest) if rest else (b"", 0)
        return name(session.login(pin, length=length))
    if word == "context":
        session.sign_init()
        pin, length = given(*rest)
        return name(session.login(pin, pkcs11.CONTEXT, length))
    if word == "cancel":
        return name(session.call("C_SignInit", None, U(0)))
    if word == "sign":
        return name(session.tries_sign())
    if word == "sign-now":  # after `context`
        out, length = (c.c_ubyte * 512)(), U(512)
        return name(session.call("C_Sign", b"data", U(4), out, c.byref(length)))
    if word == "begin":
        session.sign_init()
        return "CKR_OK"
    if word == "update":
        return name(session.call("C_SignUpdate", bytes(100), U(100)))
    if word == "final":
        out, length = (c.c_ubyte * 512)(), U(512)
        return name(session.call("C_SignFinal", out, c.byref(length)))
    if word == "logout":
        return name(session.call("C_Logout"))
    if word == "close":
        return name(session.call("C_CloseSession"))
    if word == "setpin":
        (old, old_length), (new, new_length) = given(rest[0]), given(rest[1], 64)
        return name(session.set_pin(old, new, old_length, new_length))
    if word == "finalize":
        module.finalize()
        return "CKR_OK"
    if word == "flags":
        return ",".join(sorted(module.flags(role))) or "none"
    if word == "exit":
        sys.exit(0)
    raise ValueError(word)


print("ready", flush=True)
for line in sys.stdin:
    try:
        said = answer(*line.split())
    except pkcs11.Error as error:
        said = name(error.rv)
    c.memset(place, 0, mmap.PAGESIZE)
    print(said, flush=True)
os._exit(0)
