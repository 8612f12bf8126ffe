"""A private X screen, read with tesseract and driven with xdotool, for browsers whose dialogs have no
other door. It types only where it has read what is asked."""

import os
import pathlib
import shlex
import subprocess
import time


class Screen:
    """Xvfb with a window manager."""

    def __init__(self, folder, size="1000x700"):
        self.folder = pathlib.Path(folder)
        reading, writing = os.pipe()
        self._log = open(self.folder / "screen.log", "a", encoding="utf-8")  # noqa: SIM115  open as long as the process
        self._server = subprocess.Popen(
            # Without -noreset the server starts anew whenever its last client goes, and takes those with it that
            # are just coming.
            ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"],
            pass_fds=(writing,), stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        os.close(writing)
        # Up to the newline: the server dies of a pipe that is closed while it writes.
        number = b""
        while not number.endswith(b"\n"):
            piece = os.read(reading, 16)
            if not piece:
                raise RuntimeError("Xvfb did not start")
            number += piece
        os.close(reading)
        self.display = ":" + number.decode().strip()
        # On two busy cores one thread of tesseract reads a dialog in 1 s, several in up to 11 s: they wait for each other.
        self._environment = {**os.environ, "DISPLAY": self.display, "HOME": str(self.folder), "OMP_THREAD_LIMIT": "1"}
        # A window that comes while the window manager starts is never shown.
        started = self.folder / "openbox-started"
        self._manager = subprocess.Popen(["openbox", "--startup", f"touch {shlex.quote(str(started))}"], env=self._environment,
                                         stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        end = time.monotonic() + 10
        while not started.exists():
            if time.monotonic() > end:
                raise RuntimeError("openbox did not start")
            time.sleep(0.05)

    def close(self):
        """Ends both."""
        for process in (self._manager, self._server):
            process.terminate()
            process.wait()
        self._log.close()

    def _run(self, *command, check=True):
        return subprocess.run(command, env=self._environment, capture_output=True, text=True,
                              check=check, timeout=30).stdout.strip()

    def windows(self):
        """The visible windows with a title: number and title."""
        numbers = self._run("xdotool", "search", "--onlyvisible", "--name", ".", check=False).split()
        titles = {number: self._run("xdotool", "getwindowname", number, check=False)
                  for number in numbers}
        return {number: title for number, title in titles.items() if title}

    def process(self, window):
        """The process that a window belongs to, as its toolkit says it."""
        return self._run("xdotool", "getwindowpid", window, check=False)

    def picture(self, window="root", name="screen.png"):
        """A PNG of the screen or of a window."""
        file = self.folder / name
        self._run("import", "-window", window, str(file))
        return file

    def text(self, window="root"):
        """What stands on the screen or in a window, as far as it can be read."""
        file = self.picture(window, "reading.png")
        large = self.folder / "reading-large.png"
        self._run("convert", str(file), "-resize", "200%", "-colorspace", "Gray", str(large))
        read = self._run("tesseract", str(large), "-", "--psm", "6", check=False)
        return " ".join(read.split())

    def type(self, window, text):
        """Types into a window and ends with the Return key."""
        self._run("xdotool", "windowactivate", "--sync", window, check=False)
        self._run("xdotool", "type", "--delay", "30", text)
        self.key(window, "Return")

    def drag(self, window, *points):
        """Moves the mouse over points of a window with the left button down."""
        self._run("xdotool", "windowactivate", "--sync", window, check=False)
        (x, y), *others = points
        self._run("xdotool", "mousemove", "--window", window, str(x), str(y), "mousedown", "1")
        for x, y in others:
            self._run("xdotool", "mousemove", "--window", window, str(x), str(y))
            time.sleep(0.2)
        self._run("xdotool", "mouseup", "1")

    def key(self, window, name):
        """Presses one key in a window."""
        self._run("xdotool", "windowactivate", "--sync", window, check=False)
        self._run("xdotool", "key", name)
        time.sleep(0.2)
