"""An Android phone on the table: enough of adbd for the real adb, and the reader app of vsmartcard.

    device.py --folder DIR [--app none] [--nfc off|unknown] [--allows no] [--network HOST:PORT|PATH]

It is connected by `adb connect 127.0.0.1:$(cat DIR/adb)`. The card is jpki-card-simulator, which finds its reader at
the port in DIR/card. DIR/control is a socket that takes one word a line: lay (the card on the phone), lift, background
(another app in front), destroy (the system closes the app's socket), mute and speak (the app hangs), delay MILLISECONDS,
loss PERCENT (each lost packet costs 200 ms, as TCP takes), limit MILLISECONDS (of the app for the card's answer), second
(another app on the phone connects too), state.

The app does what its source does (VPCDWorker.java, NFCReader.java): it connects when a card is found, passes APDUs on,
selects the MF for a reset and for power off, ends the connection at the first error or when it is not in front.
"""

import argparse
import contextlib
import pathlib
import random
import re
import socket
import struct
import threading
import time

OFF, ON, RESET, ATR = 0, 1, 2, 4
SELECT_MF = bytes.fromhex("00A4000C")
MAX_DATA = 4096
APP = "com.vsmartcard.remotesmartcardreader.app"


def receive(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return data


def receive_frame(sock):
    return receive(sock, struct.unpack(">H", receive(sock, 2))[0])


def frame(payload):
    return struct.pack(">H", len(payload)) + payload


class Card:
    """The simulator, which thinks that we are vpcd."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sock = None

    def ask(self, payload, limit=None):
        """Its answer; with a limit, TimeoutError."""
        for attempt in (0, 1):
            if self._sock is None:
                self._sock = self._listener.accept()[0]
                self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sock.sendall(frame(bytes([ON])))
            try:
                self._sock.settimeout(limit)
                self._sock.sendall(frame(payload))
                return receive_frame(self._sock)
            except TimeoutError:
                # Its late answer must not be taken for the next one.
                self._sock.close()
                self._sock = None
                raise
            except OSError:
                self._sock = None
                if attempt:
                    raise
        return b""


class Stream:
    """A stream of adb, one end of it, as a socket."""

    def __init__(self, device, local):
        self.device, self.local, self.remote = device, local, None
        self.inside, self.outside = socket.socketpair()
        self.acknowledged = threading.Semaphore(0)
        self.opened = threading.Event()

    def pump(self):
        """What is written on this side goes to adb, one packet at a time."""
        with contextlib.suppress(OSError):
            while data := self.inside.recv(MAX_DATA):
                self.device.send(b"WRTE", self.local, self.remote, data)
                self.acknowledged.acquire()
        self.device.send(b"CLSE", self.local, self.remote or 0)

    def close(self):
        with contextlib.suppress(OSError):
            self.inside.shutdown(socket.SHUT_RDWR)


class Device:
    """adbd: one connection of adb's server at a time."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.reverses = {}
        self.streams = {}
        self.hostname = None
        self.port = None
        self.front = False
        self._sock = None
        self._lock = threading.Lock()
        self._next = 1
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.adb_port = self._listener.getsockname()[1]

    def send(self, command, first, second, data=b""):
        word = struct.unpack("<I", command)[0]
        head = struct.pack("<6I", word, first, second, len(data), sum(data), word ^ 0xFFFFFFFF)
        with self._lock, contextlib.suppress(OSError):
            self._sock.sendall(head + data)

    def serve(self):
        while True:
            self._sock = self._listener.accept()[0]
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError, OSError):
                while True:
                    self._message()
            for stream in self.streams.values():
                stream.close()
            self.streams.clear()
            self.reverses.clear()

    def _message(self):
        command, first, second, length, _, _ = struct.unpack("<6I", receive(self._sock, 24))
        data = receive(self._sock, length)
        command = struct.pack("<I", command)
        if command in (b"CNXN", b"AUTH") and self.arguments.allows == "no":
            # The user has not answered the question on the screen: no key is good, and a new one is waited for.
            if (command, first) != (b"AUTH", 3):
                self.send(b"AUTH", 1, 0, bytes(20))
        elif command == b"CNXN":
            self.send(b"CNXN", 0x01000000, MAX_DATA, b"device::ro.product.name=table;ro.product.model=Table;")
        elif command == b"OPEN":
            self._open(first, data.rstrip(b"\0").decode())
        elif command == b"OKAY":
            self._acknowledged(first, second)
        elif command == b"WRTE":
            self._written(first, second, data)
        elif command == b"CLSE":
            self._closed(second)

    def _acknowledged(self, remote, local):
        stream = self.streams.get(local)
        if stream is None:
            return
        stream.remote = remote
        if stream.opened.is_set():
            stream.acknowledged.release()
        else:
            stream.opened.set()

    def _written(self, remote, local, data):
        if stream := self.streams.get(local):
            with contextlib.suppress(OSError):
                stream.inside.sendall(data)
            self.send(b"OKAY", local, remote)

    def _closed(self, local):
        if stream := self.streams.pop(local, None):
            stream.opened.set()
            stream.close()
            stream.acknowledged.release()

    def _open(self, remote, service):
        local, self._next = self._next, self._next + 1
        kind, _, rest = service.partition(":")
        if kind.startswith("shell"):
            answer = self.shell(rest).encode()
        elif kind == "reverse":
            answer = self._reverse(rest)
        else:
            self.send(b"CLSE", 0, remote)
            return
        self.send(b"OKAY", local, remote)
        if answer:
            self.send(b"WRTE", local, remote, answer)
        self.send(b"CLSE", local, remote)

    def _reverse(self, request):
        word, _, rest = request.partition(":")
        if word == "forward":
            source, target = rest.removeprefix("norebind:").split(";")
            self.reverses[int(source.removeprefix("tcp:"))] = target
            print(f"device: reverse {source} -> {target.split(':')[0]}", flush=True)
        elif word == "killforward":
            self.reverses.pop(int(rest.removeprefix("tcp:")), None)
            print("device: reverse removed", flush=True)
        return b"OKAYOKAY" if word == "forward" else b"OKAY"

    def shell(self, command):
        if command.startswith("pm path "):
            name = command.split()[-1]
            return f"package:/data/app/{name}/base.apk\n" if name == APP and self.arguments.app != "none" else ""
        if command.startswith("dumpsys nfc"):
            return {"unknown": ""}.get(self.arguments.nfc, f"mState={self.arguments.nfc}\n")
        if found := re.search(r"VIEW -d vpcd://([^:]+):(\d+)", command):
            self.hostname, self.port, self.front = found[1], int(found[2]), False
            return "Starting: Intent\nStatus: ok\n"
        if command.startswith("am start"):
            self.front = True
            print("device: the app is in front", flush=True)
            return "Starting: Intent\nStatus: ok\n"
        if command.startswith("am force-stop"):
            self.front = False
            print("device: the app was ended", flush=True)
            return ""
        return f"sh: {command}: not found\n"

    def connect(self):
        """A program on the phone connects to the port of the phone itself."""
        target = self.reverses.get(self.port)
        if target is None:
            raise ConnectionRefusedError(self.port)
        local, self._next = self._next, self._next + 1
        stream = self.streams[local] = Stream(self, local)
        self.send(b"OPEN", local, 0, target.encode() + b"\0")
        stream.opened.wait(5)
        if stream.remote is None:
            raise ConnectionRefusedError(target)
        threading.Thread(target=stream.pump, daemon=True).start()
        return stream.outside


class App:
    """The reader app. A plain TCP address in place of a device is the way over a network."""

    def __init__(self, connect, card):
        self._connect, self._card = connect, card
        self.laid = False
        self.sock = None
        self._worker = None
        self.muted = threading.Event()
        self.delay = self.loss = 0.0
        self.limit = 0.5
        self.last, self.since = b"", None

    def lay(self):
        if self._worker:
            # What the card was doing when it was lifted.
            self._worker.join()
        self.laid = True
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def lift(self):
        # What is under way with the card fails; the app then closes the connection.
        self.laid = False
        self.destroy()

    def destroy(self):
        if sock := self.sock:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _work(self):
        try:
            sock = self.sock = self._connect()
        except OSError as error:
            print(f"app: {error!r}", flush=True)
            return
        with contextlib.suppress(ConnectionError, OSError):
            while self.laid:
                self._one(sock, receive_frame(sock))
        # The app waits for the next card.
        sock.close()
        self.sock = None

    def _one(self, sock, command):
        self._wait_while_muted()
        if command == bytes([ON]):
            return
        if command in (bytes([OFF]), bytes([RESET])):
            self._card.ask(SELECT_MF, self.limit)
            return
        self.last, self.since = command, time.monotonic()
        answer = self._card.ask(command, self.limit)
        self.since = None
        time.sleep(self.delay)
        for _ in range(2):
            if random.random() < self.loss:
                time.sleep(0.2)
        self._wait_while_muted()
        if self.laid:
            sock.sendall(frame(answer))

    def _wait_while_muted(self):
        while self.muted.is_set():
            time.sleep(0.05)


def second(connect):
    """Another program on the phone that wants to be the card. What it was sent."""
    got = b""
    try:
        sock = connect()
    except OSError as error:
        return f"refused {error!r}"
    sock.settimeout(5)
    with contextlib.suppress(OSError):
        while piece := sock.recv(4096):
            got += piece
    return f"closed after {len(got)} bytes"


def control(path, app, connect):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    while True:
        client = listener.accept()[0]
        for line in client.makefile("r"):
            word, *values = line.split()
            said = "ok"
            if word in ("lay", "lift", "destroy"):
                getattr(app, word)()
            elif word == "background":
                app.lift()
            elif word == "mute":
                app.muted.set()
            elif word == "speak":
                app.muted.clear()
            elif word in ("delay", "limit"):
                setattr(app, word, int(values[0]) / 1000)
            elif word == "loss":
                app.loss = int(values[0]) / 100
            elif word == "second":
                said = second(connect)
            elif word == "state":
                said = f"laid={app.laid} connected={app.sock is not None} last={app.last[:2].hex()} "
                said += f"for={0 if app.since is None else round((time.monotonic() - app.since) * 1000)}"
            with contextlib.suppress(OSError):
                client.sendall((said + "\n").encode())
        client.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--app", default="there")
    parser.add_argument("--nfc", default="on")
    parser.add_argument("--allows", default="yes")
    parser.add_argument("--network", help="no adb: the app connects there, a path being what ssh forwards to")
    arguments = parser.parse_args()
    card = Card()
    device = Device(arguments)
    connect = device.connect
    if arguments.network:
        host, _, port = arguments.network.rpartition(":")

        def connect():
            if not host:
                sock = socket.socket(socket.AF_UNIX)
                sock.connect(port)
                return sock
            sock = socket.create_connection((host, int(port)), 5)
            sock.settimeout(None)
            return sock
    app = App(connect, card)
    (arguments.folder / "card").write_text(str(card.port))
    (arguments.folder / "adb").write_text(str(device.adb_port))
    threading.Thread(target=device.serve, daemon=True).start()
    control(arguments.folder / "control", app, connect)


main()
