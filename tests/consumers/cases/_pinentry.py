"""A pinentry that answers a question once if it names a token of its own, and cancels all others: GnuPG asks
again after a mistake, and each answer may cost a try. Standard library only. _pinentry.py LOG [--often] LABEL=PIN..

--often: for the module's own dialogs. An answer is good for each question that names its token; a question that
comes with an error, or asks for the last try, is cancelled."""

import re
import sys
import urllib.parse


def main() -> None:
    """The Assuan protocol, as far as gpg-agent speaks it here."""
    often = "--often" in sys.argv
    pins = dict(word.rsplit("=", 1) for word in sys.argv[2:] if word != "--often")
    log, description, error = sys.argv[1], "", False
    print("OK at your service", flush=True)
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        if command == "SETDESC":
            # Percent signs are Assuan's, \\x20 is gnupg-pkcs11-scd's.
            description = re.sub(r"\\x([0-9a-fA-F]{2})", lambda it: chr(int(it[1], 16)), urllib.parse.unquote(rest))
        error = error or command == "SETERROR"
        if command in ("GETPIN", "CONFIRM", "MESSAGE"):
            with open(log, "a", encoding="utf-8") as out:
                out.write(f"{command} {description!r}\n")
        if command == "GETPIN":
            label = next((label for label in pins if label in description), None)
            if label and not (often and error):
                print(f"D {pins[label] if often else pins.pop(label)}", flush=True)
            else:
                print("ERR 83886179 Operation cancelled", flush=True)
                continue
        if command == "CONFIRM" and often:
            print("ERR 83886194 Not confirmed", flush=True)
            continue
        print("OK", flush=True)
        if command == "BYE":
            return


main()
