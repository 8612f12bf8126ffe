"""A PKCS#11 module through ctypes. Uses the function list of 2.40 alone, so it drives any module.
It never keeps a PIN: callers hand in bytes, or an address where a PIN lies."""

import ctypes as c

U = c.c_ulong
OK, USER, CONTEXT = 0, 1, 2
NAMES = {
    0x0: "CKR_OK", 0x3: "CKR_SLOT_ID_INVALID", 0x5: "CKR_GENERAL_ERROR", 0x6: "CKR_FUNCTION_FAILED", 0x7: "CKR_ARGUMENTS_BAD",
    0x30: "CKR_DEVICE_ERROR", 0x32: "CKR_DEVICE_REMOVED", 0x54: "CKR_FUNCTION_NOT_SUPPORTED",
    0x60: "CKR_KEY_HANDLE_INVALID", 0x70: "CKR_MECHANISM_INVALID", 0x91: "CKR_OPERATION_NOT_INITIALIZED",
    0x90: "CKR_OPERATION_ACTIVE", 0xA0: "CKR_PIN_INCORRECT", 0xA1: "CKR_PIN_INVALID",
    0xA2: "CKR_PIN_LEN_RANGE", 0xA4: "CKR_PIN_LOCKED", 0xB3: "CKR_SESSION_HANDLE_INVALID",
    0xE0: "CKR_TOKEN_NOT_PRESENT", 0xE1: "CKR_TOKEN_NOT_RECOGNIZED", 0x100: "CKR_USER_ALREADY_LOGGED_IN",
    0x101: "CKR_USER_NOT_LOGGED_IN", 0x190: "CKR_CRYPTOKI_NOT_INITIALIZED",
}
# Places in CK_FUNCTION_LIST.
PLACES = {
    "C_Initialize": 0, "C_Finalize": 1, "C_GetSlotList": 4, "C_GetSlotInfo": 5, "C_GetTokenInfo": 6, "C_SetPIN": 11,
    "C_OpenSession": 12, "C_CloseSession": 13, "C_CloseAllSessions": 14, "C_GetSessionInfo": 15,
    "C_Login": 18, "C_Logout": 19, "C_GetAttributeValue": 24, "C_FindObjectsInit": 26,
    "C_FindObjects": 27, "C_FindObjectsFinal": 28, "C_SignInit": 42, "C_Sign": 43, "C_SignUpdate": 44,
    "C_SignFinal": 45, "C_WaitForSlotEvent": 67,
}
CKO_CERTIFICATE, CKO_PRIVATE_KEY = 1, 3
CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS = 0x1, 0x40
LOW, FINAL, LOCKED = 0x10000, 0x20000, 0x40000


class Attribute(c.Structure):
    _fields_ = [("type", U), ("value", c.c_void_p), ("length", U)]


class Mechanism(c.Structure):
    _fields_ = [("type", U), ("parameter", c.c_void_p), ("length", U)]


class FunctionList(c.Structure):
    _fields_ = [("version", c.c_ubyte * 2), ("functions", c.c_void_p * 68)]


class TokenInfo(c.Structure):
    _fields_ = [("label", c.c_char * 32), ("manufacturer", c.c_char * 32), ("model", c.c_char * 16),
                ("serial", c.c_char * 16), ("flags", U), ("counts", U * 4), ("max_pin", U), ("min_pin", U),
                ("memory", U * 4), ("versions", c.c_ubyte * 4), ("time", c.c_char * 16)]


class Error(Exception):
    def __init__(self, function, rv):
        super().__init__(f"{function}: {name(rv)}")
        self.rv = rv


def name(rv):
    return NAMES.get(rv, hex(rv))


def pointer(secret, length):
    """Bytes, or an address and a length, as two arguments."""
    if isinstance(secret, int):
        return c.c_void_p(secret), U(length)
    return secret, U(len(secret))


class Module:
    """Loaded and initialized. `role` is 0 for the authentication token, 1 for the signature token."""

    def __init__(self, path, arguments=None):
        library = c.CDLL(path)
        pointer = c.POINTER(FunctionList)()
        assert library.C_GetFunctionList(c.byref(pointer)) == OK
        self.functions = {key: c.CFUNCTYPE(U)(pointer.contents.functions[place]) for key, place in PLACES.items()}
        self.check("C_Initialize", arguments)

    def call(self, function, *arguments):
        return self.functions[function](*arguments)

    def check(self, function, *arguments):
        rv = self.call(function, *arguments)
        if rv != OK:
            raise Error(function, rv)

    def slots(self, present=1):
        count, ids = U(64), (U * 64)()
        self.check("C_GetSlotList", c.c_ubyte(present), ids, c.byref(count))
        return list(ids[:count.value])

    def open(self, role):
        return self.open_slot(self.slots()[role], role)

    def open_slot(self, slot, role):
        session = U()
        self.check("C_OpenSession", U(slot), U(6), None, None, c.byref(session))
        return Session(self, session.value, role)

    def token(self, role):
        info = TokenInfo()
        self.check("C_GetTokenInfo", U(self.slots()[role]), c.byref(info))
        return info

    def flags(self, role):
        flags = self.token(role).flags
        return {word for bit, word in ((LOW, "low"), (FINAL, "final"), (LOCKED, "locked")) if flags & bit}

    def finalize(self):
        self.check("C_Finalize", None)


class Session:
    def __init__(self, module, handle, role):
        self.module, self.handle, self.role = module, U(handle), role

    def call(self, function, *arguments):
        return self.module.call(function, self.handle, *arguments)

    def check(self, function, *arguments):
        self.module.check(function, self.handle, *arguments)

    def login(self, pin, user=USER, length=None):
        """The return code. `pin`: bytes, or an address and `length`."""
        return self.call("C_Login", U(user), *pointer(pin, length))

    def set_pin(self, old, new, old_length=None, new_length=None):
        return self.call("C_SetPIN", *pointer(old, old_length), *pointer(new, new_length))

    def find(self, kind):
        value = U(kind)
        template = Attribute(0, c.cast(c.byref(value), c.c_void_p), c.sizeof(value))
        self.check("C_FindObjectsInit", c.byref(template), U(1))
        handles, count = (U * 16)(), U()
        self.check("C_FindObjects", handles, U(16), c.byref(count))
        self.check("C_FindObjectsFinal")
        return list(handles[:count.value])

    def sign_init(self, mechanism=CKM_SHA256_RSA_PKCS):
        keys = self.find(CKO_PRIVATE_KEY)
        if not keys:
            raise Error("no private key", 0x101)
        self.check("C_SignInit", c.byref(Mechanism(mechanism, None, 0)), U(keys[0]))

    def sign(self, context=None, mechanism=CKM_SHA256_RSA_PKCS, data=b"data to be signed"):
        """A signature of 256 bytes. `context`: PIN for CKU_CONTEXT_SPECIFIC."""
        self.sign_init(mechanism)
        if context is not None:
            rv = self.login(context, CONTEXT)
            if rv != OK:
                raise Error("C_Login", rv)
        out, length = (c.c_ubyte * 512)(), U(512)
        self.check("C_Sign", data, U(len(data)), out, c.byref(length))
        return bytes(out[:length.value])

    def tries_sign(self, **arguments):
        """The return code of a signature."""
        try:
            self.sign(**arguments)
            return OK
        except Error as error:
            return error.rv
