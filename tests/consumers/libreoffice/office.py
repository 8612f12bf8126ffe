"""A running LibreOffice: the connection to it and its dialogs, whose buttons are pressed through LibreOffice's own interface for tests of
dialogs, com.sun.star.ui.test.UITest. Needs python3-uno; pictures need xdotool and ImageMagick."""

import subprocess
import sys
import threading
import time

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException

QUESTION = "PasswordDialog"


def value(name, content):
    """A property of UNO."""
    it = PropertyValue()
    it.Name, it.Value = name, content
    return it


def connect(pipe):
    """The function that creates a service of the LibreOffice behind the pipe, which takes some seconds to start."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(150):
        try:
            context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
            return lambda service: context.ServiceManager.createInstanceWithContext(service, context)
        except NoConnectException:
            time.sleep(0.2)
    sys.exit("LibreOffice does not answer")


class Dialogs:
    """The dialogs. Those that ask for the password of the token are answered; one of another token ends the program."""

    def __init__(self, create, token, password, picture):
        self._test = create("com.sun.star.ui.test.UITest")
        self._token, self._password, self._picture = token, password, picture
        self._failed = []
        self.asked = 0

    def wait(self, truth, what):
        """What `truth` makes of the window on top and its names, once that is something."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self._failed:
                sys.exit(f"{what}: {self._failed[0]}")
            window = self._test.getTopFocusWindow()
            names = window.getChildren() if window else ()
            if QUESTION in names:
                self._answer(window)
            elif found := truth(window, names):
                return found
            time.sleep(0.1)
        sys.exit(f"{what}: not within 60 s; on top is {names}")

    def beside(self, action, *arguments):
        """Starts what may open a dialog, and so does not return before the dialog is closed. Returns the function that waits for its result."""
        result = []

        def work():
            try:
                result.append(action(*arguments))
            except Exception as error:  # noqa: BLE001  told by wait()
                self._failed.append(error)

        threading.Thread(target=work, daemon=True).start()
        return lambda what: self.wait(lambda *_: list(result), what)[0]

    def command(self, name):
        """A command of the menus."""
        self.beside(self._test.executeCommand, name)

    def press(self, window, button):
        """Presses a button that may open a dialog."""
        self.beside(window.getChild(button).executeAction, "CLICK", ())

    def picture(self, title, file):
        """A PNG of the window with this title, if pictures were asked for."""
        if self._picture:
            time.sleep(1)
            found = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", title], capture_output=True, text=True, check=True)
            subprocess.run(["import", "-frame", "-window", found.stdout.split()[-1], "-strip", "+dither", "-colors", "32",
                            f"PNG8:{self._picture}/{file}"], check=True)

    def _answer(self, window):
        asks = state(window.getChild("newpassFT"))["DisplayText"]
        if self._token not in asks:
            sys.exit(f"asked for the password of: {asks}")
        if not self.asked:
            self.picture("^Enter Password", "libreoffice-password.png")
        self.asked += 1
        window.getChild("newpassEntry").executeAction("TYPE", (value("TEXT", self._password),))
        window.getChild("ok").executeAction("CLICK", ())


def state(control):
    """What a control shows."""
    return {one.Name: one.Value for one in control.getState()}
