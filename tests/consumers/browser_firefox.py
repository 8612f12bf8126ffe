"""Firefox or Thunderbird, headless, driven over Marionette: raw JSON on a socket. Standard library.
It answers the real dialogs by their own buttons; it never replaces a prompt by one of its own."""

import base64
import json
import os
import pathlib
import re
import socket
import subprocess
import time

from browser_card import wait_for

# Dialogs are answered where they appear, by the rules that the test sets. Each is noted with its text.
# The observers live in a sandbox of their own: those of a script end with the script's window.
WATCH = r"""
const shared = Cu.getGlobalForObject(Services);
if (!shared.testDialogs) {
  shared.testDialogs = {seen: [], rules: []};
  const box = new Cu.Sandbox(Services.scriptSecurityManager.getSystemPrincipal(),
                             {wantGlobalProperties: ["ChromeUtils"],
                              sandboxName: "chrome://test/content/dialogs.js"});
  box.shared = shared;
  box.Services = Services;
  Cu.evalInSandbox(`
    const state = shared.testDialogs;
    function answer(window, text, kind) {
      const rule = state.rules.find(rule => rule.kind == kind && text.includes(rule.match));
      const given = rule ? rule.answers.shift() : undefined;
      state.seen.push({kind, text, given: given === undefined ? null : given});
      const dialog = window.document.querySelector("dialog") || window.document.documentElement;
      window.setTimeout(() => {
        const field = window.document.getElementById("password1Textbox");
        if (given === undefined || given === null) {
          dialog.getButton("cancel").click();
          return;
        }
        if (kind == "common" && field) {
          field.value = given;
          field.dispatchEvent(new window.Event("input", {bubbles: true}));
        }
        dialog.getButton("accept").disabled = false;
        dialog.getButton("accept").click();
      }, 150);
    }
    const observer = {observe(subject, topic) {
      if (topic == "common-dialog-loaded") {
        const args = subject.Dialog.args;
        answer(subject, [args.title, args.text].join(" | "), "common");
      } else {
        const window = subject.ownerDocument.defaultView;
        const offered = window.certArray.map(one => one.tokenName + ": " + one.displayName);
        answer(window, offered.join(" | "), "certificate");
      }
    }};
    Services.obs.addObserver(observer, "common-dialog-loaded");
    Services.obs.addObserver(observer, "cert-dialog-loaded");
    state.observer = observer;
  `, box, "latest", "chrome://test/content/dialogs.js", 1);
  shared.testDialogs.box = box;
}
return true;
"""


class Browser:
    """One running browser with a profile."""

    def __init__(self, command, profile, environment, log):
        self.profile = pathlib.Path(profile)
        (self.profile / "MarionetteActivePort").unlink(missing_ok=True)
        self.started = time.monotonic()
        self._log = open(log, "a", encoding="utf-8")  # noqa: SIM115  open as long as the process
        self.process = subprocess.Popen(
            [*command, "--profile", str(profile), "--headless", "--marionette",
             "--remote-allow-system-access", "--no-remote"],
            env={**environment, "MOZ_HEADLESS": "1"}, stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log)
        self._number = 0
        try:
            self._connect()
        except BaseException:
            self.quit()
            raise

    def _connect(self):
        active = self.profile / "MarionetteActivePort"

        def port():
            if self.process.poll() is not None:
                raise RuntimeError(f"the browser ended with {self.process.returncode}")
            return active.exists() and active.read_text().strip()
        self._socket = socket.create_connection(
            ("127.0.0.1", int(wait_for("MarionetteActivePort", port, 90))))
        self._socket.settimeout(120)
        self._buffer = b""
        self._message()
        self.send("WebDriver:NewSession", {
            "pageLoadStrategy": "none", "acceptInsecureCerts": False,
            "unhandledPromptBehavior": "ignore"})
        self.chrome(WATCH)

    def _message(self):
        while b":" not in self._buffer:
            self._more()
        length, rest = self._buffer.split(b":", 1)
        while len(rest) < int(length):
            self._more()
            rest = self._buffer.split(b":", 1)[1]
        self._buffer = rest[int(length):]
        return json.loads(rest[:int(length)])

    def _more(self):
        piece = self._socket.recv(65536)
        if not piece:
            raise RuntimeError("the browser closed the connection")
        self._buffer += piece

    def send(self, name, parameters=None):
        """One Marionette command and its answer."""
        self._number += 1
        text = json.dumps([0, self._number, name, parameters or {}]).encode()
        self._socket.sendall(b"%d:%s" % (len(text), text))
        while True:
            kind, number, error, value = self._message()
            if kind == 1 and number == self._number:
                if error:
                    raise RuntimeError(f"{name}: {error.get('error')}: {error.get('message')}")
                return value

    def chrome(self, script, *arguments, wait=False):
        """Runs a script in the browser's own context. `wait`: it ends with a call of its last
        argument."""
        self.send("Marionette:SetContext", {"value": "chrome"})
        command = "WebDriver:ExecuteAsyncScript" if wait else "WebDriver:ExecuteScript"
        parameters = {"script": script, "args": list(arguments), "sandbox": "system", "newSandbox": True}
        end = time.monotonic() + 30
        while True:
            try:
                return self.send(command, parameters)["value"]
            except RuntimeError as error:
                # No script runs while a dialog is open; the observers answer it meanwhile.
                if "unexpected alert open" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def task(self, script, *arguments, seconds=60):
        """Runs an async function's body, during which dialogs may come, and gives what it returns."""
        self.chrome("""
            const shared = Cu.getGlobalForObject(Services), given = JSON.parse(arguments[0]);
            const state = shared.testTask = Cu.cloneInto({}, shared);
            window.setTimeout(() => (async (...given) => {%s})(...given).then(
                value => { state.done = JSON.stringify({value}); },
                error => { state.done = JSON.stringify({error: error + " " + error.stack}); }), 0);
            """ % script,  # noqa: UP031  every other style would escape the braces of JavaScript
            json.dumps(arguments))
        done = json.loads(wait_for("the task", lambda: self.chrome(
            "return Cu.getGlobalForObject(Services).testTask.done || '';"), seconds))
        if "error" in done:
            raise RuntimeError(done["error"])
        return done.get("value")

    def rules(self, *rules):
        """How dialogs are answered from now on: kind of dialog, a text in it, a list of answers. What no
        rule names, or has no answer left, is cancelled. Forgets the dialogs seen so far."""
        self.chrome("""const state = Cu.getGlobalForObject(Services).testDialogs;
                       state.rules = Cu.cloneInto(JSON.parse(arguments[0]), state.box);
                       state.seen.length = 0;""",
                    json.dumps([{"kind": kind, "match": match, "answers": answers}
                                for kind, match, answers in rules]))

    def dialogs(self):
        """The dialogs since then."""
        return self.read("return JSON.stringify(Cu.getGlobalForObject(Services).testDialogs.seen);")

    def read(self, script):
        """What a script that changes nothing gives as JSON. Marionette answers null, although the script
        ran, where a dialog opens at that moment: then it is asked again."""
        return json.loads(wait_for("an answer without a dialog", lambda: self.chrome(script)))

    def visit(self, url, until, seconds=40):
        """Opens a page and waits for the title to contain a text, or to be an error page."""
        self.open(url)
        return wait_for(f"{url} {until}", lambda: self._settled(url, until), seconds)

    def open(self, url):
        """Opens a page and waits for nothing."""
        self.chrome("""const tab = gBrowser.selectedBrowser;
                       tab.fixupAndLoadURIString(arguments[0], {triggeringPrincipal:
                           Services.scriptSecurityManager.getSystemPrincipal(),
                           loadFlags: Ci.nsIWebNavigation.LOAD_FLAGS_BYPASS_CACHE});""", url)

    def _settled(self, url, until):
        state = self.read("""
            const tab = gBrowser.selectedBrowser;
            return JSON.stringify({url: tab.currentURI.spec, title: tab.contentTitle,
                error: tab.documentURI ? tab.documentURI.spec : "",
                busy: tab.webProgress.isLoadingDocument});""")
        if state["busy"]:
            return None
        if state["error"].startswith("about:neterror") or state["error"].startswith("about:certerror"):
            return "error: " + (re.search(r"[?&]e=([^&]*)", state["error"]) or [0, "?"])[1]
        if state["url"] == url and re.search(until, state["title"]):
            return state["title"] or "(no title)"
        return None

    def blank(self):
        """Leaves the page, so that the next visit is a new one."""
        self.visit("about:blank", "")

    def content(self, script):
        """Runs a script in the page."""
        self.send("Marionette:SetContext", {"value": "content"})
        return self.send("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]

    def picture(self, width=1000, height=640):
        """A PNG of the browser's window."""
        self.send("Marionette:SetContext", {"value": "chrome"})
        self.send("WebDriver:SetWindowRect", {"width": width, "height": height})
        time.sleep(1)
        answer = self.send("WebDriver:TakeScreenshot", {"full": False})
        return base64.b64decode(answer["value"])

    def quit(self):
        """Ends the browser as its menu does; the exit status."""
        try:
            self.send("Marionette:Quit", {"flags": ["eForceQuit"]})
        except (OSError, RuntimeError, AttributeError):
            pass
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._log.close()


def environment(home, **more):
    """A private home for a browser, and of the module's settings none but where it logs to."""
    kept = {key: value for key, value in os.environ.items() if key.startswith("JPKI_PKCS11_LOG")
            or not key.startswith(("XDG_", "JPKI_", "DBUS_", "DISPLAY", "WAYLAND"))}
    pathlib.Path(home).mkdir(parents=True, exist_ok=True)
    return {**kept, "HOME": str(home), "LC_ALL": "C.UTF-8", "MOZ_CRASHREPORTER_DISABLE": "1", **more}
