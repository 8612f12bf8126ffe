"""Firefox and Chromium at the servers of cases/servers.py: nginx, Apache and Caddy as shipped, visited one after another with one login.
Standard library only. What the server logged is what counts, and what the browser shows of it."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import tempfile
import time
from collections.abc import Iterator

from browser_card import AUTHENTICATION, add_module
from browser_firefox import Browser
from browser_site import Authority
from chromium import Chromium, ChromiumDesk
from firefox import CHOOSE, FirefoxDesk, pins_asked
from support.bench import MODULE, PIN, Bench, package, wait_for
from support.case import Failed, case
from support.tls import mark

from cases.servers import CARDS, Server, common_name, lay_down

PLACES = "at nginx, Apache, Caddy"
DID = "one login for the three sites as shipped; page and log say who came; another person's card is refused"
SERVERS = ["/usr/sbin/nginx", "/usr/sbin/apache2", "caddy", "certutil", "modutil", "openssl"]
VERSIONS = {771: "TLSv1.2", 772: "TLSv1.3"}


@contextlib.contextmanager
def servers(bench: Bench, authority: Authority) -> Iterator[list[Server]]:
    """All three, with certificates of the authority."""
    nginx, apache, caddy = found = [Server(bench, name, authority) for name in ("nginx", "apache", "caddy")]
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        nginx.start_nginx()
        apache.start_apache(folder)
        caddy.start_caddy()
        yield found


class Guests:
    """Who came to a server's page, by its log."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @property
    def arrivals(self) -> list[tuple[str, str]]:
        """TLS version and common name of each."""
        lines = self._server.log.read_text(errors="replace").splitlines() if self._server.log.exists() else []
        return [guest for line in lines for guest in self._guest(line)]

    def _guest(self, line: str) -> list[tuple[str, str]]:
        if self._server.name == "caddy":
            entry = json.loads(line)
            request = entry["request"]
            came = request["uri"] == "/" and entry["status"] == 200
            return [(VERSIONS[request["tls"]["version"]], request["tls"]["client_common_name"])] if came else []
        return re.findall(r'"GET / HTTP/[\d.]+" 200 (TLSv1\.\d) "[^"]*CN=(\w+)', line)


class Signatures:
    """The signatures of the card in the reader: what is left to wait for where a visitor is refused."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def arrivals(self) -> range:
        """One for each."""
        return range(self._bench.counters()["auth_signatures"])


def settings(bench: Bench) -> dict[str, str]:
    """Where the module logs to."""
    return {key: value for key, value in bench.env.items() if key.startswith("JPKI_PKCS11_LOG")}


def saw_the_holder(bench: Bench, server: Server, version: str, page: str, likeness: float = 1) -> None:
    """Fails unless the log names the card's holder and this version of TLS, and the page the holder. `likeness` is less than 1 where
    the page was read from pixels: 0 becomes Q there."""
    name = common_name(bench)
    wait_for(lambda: Guests(server).arrivals[-1:] == [(f"TLSv{version}", name)], f"{server.name}'s log does not name {name} with TLS {version}", 5)
    found = re.search(r"Welcome, CN=(\w+),", page)
    bench.check(found and difflib.SequenceMatcher(None, name, found[1]).ratio() >= likeness, f"{server.name}'s page: {page}")


@case("firefox-servers", f"Firefox ESR {PLACES}", DID, version=lambda: package("firefox-esr"), needs=[*SERVERS, "firefox-esr"], card=CARDS, timeout=180)
def firefox_visits(bench: Bench) -> None:
    """The card is changed while Firefox runs."""
    folder = bench.dir / "desk"
    folder.mkdir()
    desk = FirefoxDesk(folder)
    with servers(bench, desk.authority) as all_three:
        for version, most in (("1.2", 3), ("1.3", 4)):
            profile = desk.profile(f"tls{version}", **{"security.tls.version.max": most})
            add_module(profile, MODULE)
            browser = desk.start(profile, **settings(bench))
            try:
                browser.rules(CHOOSE, ("common", AUTHENTICATION, [PIN]))
                for server in all_three:
                    browser.visit(server.url, "")
                    saw_the_holder(bench, server, version, browser.content("return document.body.innerText;"))
                bench.check(pins_asked(browser) == [AUTHENTICATION], f"PIN dialogs: {browser.dialogs()}")
                mark(bench, version, "yes")
                if version == "1.3":
                    firefox_is_refused(bench, browser, all_three)
            finally:
                browser.quit()


def firefox_is_refused(bench: Bench, browser: Browser, all_three: list[Server]) -> None:
    """Another person's card is laid down in a Firefox that has just been in."""
    bench.check_tries()
    lay_down(bench, "other")
    browser.rules(CHOOSE, ("common", AUTHENTICATION, [PIN]))
    for server in all_three:
        before, signed = Guests(server).arrivals, bench.counters()["auth_signatures"]
        browser.blank()
        if server.name == "caddy":
            # It refuses in the handshake, and Firefox shows nothing.
            browser.open(server.url)
            time.sleep(3)
        else:
            said = browser.visit(server.url, "403 Forbidden", 20)
            bench.check(said == "403 Forbidden", f"{server.name}: {said}")
        bench.check(Guests(server).arrivals == before, f"{server.name} let another card in")
        bench.check(bench.counters()["auth_signatures"] > signed, f"{server.name} was not tried: {bench.counters()}")
    bench.check(pins_asked(browser) == [AUTHENTICATION], f"PIN dialogs: {browser.dialogs()}")


@case("chromium-servers", f"Chromium {PLACES}", DID, version=lambda: package("chromium"), card=CARDS, timeout=400,
      needs=[*SERVERS, "chromium", "Xvfb", "openbox", "xdotool", "tesseract", "import", "convert"])
def chromium_visits(bench: Bench) -> None:
    """Chromium is started again for the other card."""
    folder = bench.dir / "desk"
    folder.mkdir()
    desk = ChromiumDesk(folder)
    try:
        with servers(bench, desk.authority) as all_three:
            for version in ("1.2", "1.3"):
                chromium_comes_in(bench, desk, all_three, version)
            bench.check_tries()
            lay_down(bench, "other")
            chromium_is_refused(bench, desk, all_three)
    finally:
        desk.close()


def chromium_comes_in(bench: Bench, desk: ChromiumDesk, all_three: list[Server], version: str) -> None:
    """One start and one login for the three."""
    browser, asked = Chromium(desk, f"tls{version}", [f"--ssl-version-max=tls{version}"], **settings(bench)), []
    try:
        for server in all_three:
            browser.open(server.url)
            asked += browser.attend(Guests(server), [PIN], seconds=120)
            saw_the_holder(bench, server, version, read(desk, "Welcome"), likeness=0.8)
        bench.check(asked == [AUTHENTICATION], f"PIN dialogs: {asked}")
        mark(bench, version, "yes")
        if version == "1.3":
            stays_in(bench, browser, all_three[1])
    finally:
        browser.quit()


def stays_in(bench: Bench, browser: Chromium, server: Server) -> None:
    """Chromium resumes the TLS session when the card is gone: what the pages of the servers warn of."""
    came, signed = len(Guests(server).arrivals), bench.counters()["auth_signatures"]
    bench.control("remove")
    time.sleep(2)
    browser.open(server.url)
    wait_for(lambda: len(Guests(server).arrivals) > came, f"{server.name} let nobody in without the card any more: say so on its page", 30)
    bench.control("insert")
    bench.check(bench.counters()["auth_signatures"] == signed, f"a signature: {bench.counters()}")


def chromium_is_refused(bench: Bench, desk: ChromiumDesk, all_three: list[Server]) -> None:
    """The page says why."""
    browser = Chromium(desk, "other", **settings(bench))
    try:
        for server in all_three:
            before, signed = Guests(server).arrivals, bench.counters()["auth_signatures"]
            browser.open(server.url)
            browser.attend(Signatures(bench), [PIN], seconds=120)
            read(desk, "ERR_BAD_SSL_CLIENT_AUTH_CERT" if server.name == "caddy" else "permission|nginx/")
            bench.check(Guests(server).arrivals == before, f"{server.name} let another card in")
            bench.check(bench.counters()["auth_signatures"] > signed, f"{server.name} was not tried: {bench.counters()}")
    finally:
        browser.quit()


def read(desk: ChromiumDesk, words: str) -> str:
    """What stands on the screen, as soon as it has these words."""
    seen = ""

    def is_there() -> bool:
        nonlocal seen
        seen = desk.screen.text()
        return re.search(words, seen) is not None

    try:
        wait_for(is_there, f"no {words} on the screen")
    except Failed as error:
        raise Failed(f"{error}: {seen}") from None
    return seen
