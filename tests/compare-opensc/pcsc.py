"""Another program on the same reader, through libpcsclite and ctypes: a neighbour or an attacker.
It knows no PIN but the ones it is told, and shares no code with the module."""

import ctypes as c

L = c.c_long
D = c.c_ulong
library = c.CDLL("libpcsclite.so.1")
LEAVE, RESET, UNPOWER = 0, 1, 2
SHARED = 2
AGAIN = {0x80100068, 0x80100067}  # SCARD_W_RESET_CARD, SCARD_W_UNPOWERED_CARD

JPKI = bytes.fromhex("00A4040C0AD392F000260100000001")
OTHER = bytes.fromhex("00A4040C0AD3921000310001010402")
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420") + bytes(32)


class IoRequest(c.Structure):
    _fields_ = [("protocol", D), ("length", D)]


class Gone(Exception):
    pass


class Neighbour:
    """One shared connection that stays open, so that pcscd does not power the card off."""

    def __init__(self, reader=0):
        self.reader = reader
        self.context, self.card, self.protocol = L(), L(), D()
        self.must(library.SCardEstablishContext(0, None, None, c.byref(self.context)))
        self.connect()

    @staticmethod
    def must(rv):
        if rv & 0xFFFFFFFF:
            raise Gone(f"{rv & 0xFFFFFFFF:08X}")

    def readers(self):
        length = D(4096)
        names = c.create_string_buffer(4096)
        self.must(library.SCardListReaders(self.context, None, names, c.byref(length)))
        return [part for part in names.raw[:length.value].split(b"\0") if part]

    def connect(self):
        self.must(library.SCardConnect(self.context, self.readers()[self.reader], D(SHARED), D(3),
                                       c.byref(self.card), c.byref(self.protocol)))

    def begin(self):
        for _ in range(40):
            rv = library.SCardBeginTransaction(self.card) & 0xFFFFFFFF
            if rv not in AGAIN:
                return self.must(rv)
            library.SCardReconnect(self.card, D(SHARED), D(3), D(LEAVE), c.byref(self.protocol))
        raise Gone("reset again and again")

    def end(self, disposition=LEAVE):
        library.SCardEndTransaction(self.card, D(disposition))

    def transmit(self, command):
        out, length = (c.c_ubyte * 300)(), D(300)
        pci = IoRequest(self.protocol.value, c.sizeof(IoRequest))
        self.must(library.SCardTransmit(self.card, c.byref(pci), command, D(len(command)), None, out, c.byref(length)))
        return bytes(out[:length.value])

    def transaction(self, *commands, disposition=LEAVE):
        self.begin()
        try:
            return [self.transmit(command) for command in commands]
        finally:
            self.end(disposition)

    def attack(self):
        """What can be had without a PIN: any of "auth key", "sign key", "sign certificate".
        Re-selecting JPKI keeps what somebody verified."""
        try:
            answers = self.transaction(
                JPKI,
                bytes([0x80, 0x2A, 0x00, 0x97, len(DIGEST_INFO)]) + DIGEST_INFO + b"\0",
                bytes([0x80, 0x2A, 0x00, 0x9A, len(DIGEST_INFO)]) + DIGEST_INFO + b"\0",
                bytes.fromhex("00B0810000"),
            )
        except Gone:
            return set()
        words = ("", "auth key", "sign key", "sign certificate")
        return {word for word, answer in zip(words, answers) if word and answer[-2:] == b"\x90\x00"}

    # What neighbours do.
    def selects_another_application(self):
        self.transaction(OTHER)

    def verifies_wrongly(self):
        """One wrong VERIFY of each PIN."""
        return self.transaction(JPKI, b"\x00\x20\x00\x98\x049876", b"\x00\x20\x00\x9B\x06WRONG9")

    def changes(self, old, new):
        """The authentication PIN: the old one is verified, the new one set, both on the selected EF."""
        select = b"\x00\xA4\x02\x0C\x02\x00\x18"
        answers = self.transaction(JPKI, select, b"\x00\x20\x00\x80\x04" + old, b"\x00\x24\x01\x80\x04" + new, OTHER)
        assert answers[3] == b"\x90\x00", answers

    def resets(self):
        self.transaction(JPKI, disposition=RESET)

    def unpowers(self):
        self.transaction(JPKI, disposition=UNPOWER)
