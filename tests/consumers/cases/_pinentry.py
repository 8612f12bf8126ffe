"""A pinentry that answers a question once if it names a token of its own, and cancels all others: GnuPG asks
again after a mistake, and each answer may cost a try. Standard library only. _pinentry.py LOG LABEL=PIN.."""

import re
import sys
import urllib.parse


def main() -> None:
    """The Assuan protocol, as far as gpg-agent speaks it here."""
    pins = dict(word.rsplit("=", 1) for word in sys.argv[2:])
    log, description = sys.argv[1], ""
    print("OK at your service", flush=True)
    for line in sys.stdin:
        command, _, rest = line.strip().partition(" ")
        if command == "SETDESC":
            # Percent signs are Assuan's, \\x20 is gnupg-pkcs11-scd's.
            description = re.sub(r"\\x([0-9a-fA-F]{2})", lambda it: chr(int(it[1], 16)), urllib.parse.unquote(rest))
        if command in ("GETPIN", "CONFIRM", "MESSAGE"):
            with open(log, "a", encoding="utf-8") as out:
                out.write(f"{command} {description!r}\n")
        if command == "GETPIN":
            label = next((label for label in pins if label in description), None)
            if label:
                print(f"D {pins.pop(label)}", flush=True)
            else:
                print("ERR 83886179 Operation cancelled", flush=True)
                continue
        print("OK", flush=True)
        if command == "BYE":
            return


main()
