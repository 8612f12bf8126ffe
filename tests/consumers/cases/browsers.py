"""Firefox, Chromium and Thunderbird, by the programs beside `run`, which print a line of JSON for each
thing that they did. Standard library only. It never starts a browser itself."""

from __future__ import annotations

import json
import pathlib
import sys

from support.bench import Bench, package
from support.case import Failed, case
from support.tls import mark

HERE = pathlib.Path(__file__).resolve().parents[1]
NSS = ["certutil", "modutil", "openssl", "unshare"]


def gather(bench: Bench, program: str, timeout: float) -> None:
    """Runs the program beside the card that is there already and makes one row of its lines."""
    said = bench.sh(sys.executable, HERE / program, ok=False, timeout=timeout)
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"program"')]
    bench.check(lines, f"{program} said:\n{said}")
    failed = [f"{line['what']}: {line['why']}" for line in lines if line["result"] == "FAIL"]
    for version, column in (("1.2", "tls12"), ("1.3", "tls13")):
        words = [line[column] for line in lines if line[column] is not None]
        if words:
            mark(bench, version, "yes" if all(words) else "no")
    if failed:
        raise Failed("; ".join(failed))


@case("firefox", "Firefox ESR",
      "policies.json and modutil; logins, wrong PIN, card out and in, second site, PIN dialog, device manager; signature certificate never sent",
      version=lambda: package("firefox-esr"), needs=[*NSS, "firefox-esr", "convert"], timeout=420)
def firefox(bench: Bench) -> None:
    """Also with both tokens shown and a server that names no CA."""
    gather(bench, "firefox.py", 400)
    bench.row.dialog = "yes"


@case("chromium", "Chromium",
      "~/.pki/nssdb; logins, PIN dialog answered on the screen, wrong PIN, card out and in, second site, PIN dialog; ten starts",
      version=lambda: package("chromium"), timeout=620,
      needs=[*NSS, "chromium", "Xvfb", "openbox", "xdotool", "tesseract", "import", "convert"])
def chromium(bench: Bench) -> None:
    """Root's Chromium runs without its sandbox."""
    gather(bench, "chromium.py", 600)
    bench.row.dialog = "yes, after a dialog of its own"


@case("thunderbird", "Thunderbird", "policies.json; two mails signed with the signature certificate, verified by OpenSSL",
      version=lambda: package("thunderbird"), needs=[*NSS, "thunderbird"], timeout=180)
def thunderbird(bench: Bench) -> None:
    """To the outbox, not to a server."""
    gather(bench, "thunderbird.py", 170)
    bench.row.dialog = "yes"
