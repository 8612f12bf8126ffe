"""Where the PIN is in the memory of a program that has logged in: every writable mapping of the process is read
through /proc/PID/mem and searched. The program itself keeps no copy (see victim.py).

    memory.py MODULE              exits with 1 if a copy is found where none may be"""

import os
import sys

from fixture import Victim, control, settled

# As long as a password can be: nothing in memory looks like it by chance.
PASSWORD, WRONG = b"Q7ZK93XMVB20WTLD", b"W8YL02NCXA31VSKE"
NEW = b"E5TR64PDUG19HJMF"
failed = []


def writable(pid):
    with open(f"/proc/{pid}/smaps") as maps:
        mapping = None
        for line in maps:
            words = line.split()
            if "-" in words[0] and not words[0].endswith(":"):
                start, end = (int(part, 16) for part in words[0].split("-"))
                mapping = (start, end, words[1])
            elif words[0] == "VmFlags:" and "w" in mapping[2]:
                yield mapping[0], mapping[1], set(words[1:])


def copies(pid, secret):
    """The flags of the mapping of each copy."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, flags in writable(pid):
            try:
                memory.seek(start)
                data = memory.read(end - start)
            except OSError:
                continue
            found += [flags] * sum(data.count(value) for value in {secret, secret.lower()})
    return found


def expect(when, pid, secret, number):
    found = copies(pid, secret)
    good = len(found) == number and all({"lo", "dd", "wf"} <= flags for flags in found)
    where = "" if not found else f" (flags {' '.join(sorted(set.union(*found) & {'lo', 'dd', 'wf'}))})"
    print(f"| {when} | {len(found)}{where} | {'as it must be' if good else f'WRONG, {number} expected'} |", flush=True)
    if not good:
        failed.append(when)


PINENTRY = """#!/bin/sh
echo OK
while read -r line; do
    case $line in
    GETPIN) printf 'D '; cat FOLDER/password; echo; echo OK ;;
    BYE) exit ;;
    *) echo OK ;;
    esac
done
"""


def by_dialog(module, log, consent, kept):
    """The same with the PIN dialog: what is typed comes from another process. `kept`: copies while logged in."""
    folder = os.environ["VIRTUAL_CARD_DIR"]
    program = os.path.join(folder, "pinentry")
    for path, content in ((os.path.join(folder, "password"), PASSWORD), (program, PINENTRY.replace("FOLDER", folder).encode())):
        with open(path, "wb", opener=lambda it, flags: os.open(it, flags, 0o700)) as out:
            out.write(content)
    victim = Victim(module, {"JPKI_PKCS11_LOG": "trace", "JPKI_PKCS11_LOG_FILE": log, "JPKI_PKCS11_PIN_ENTRY": "dialog",
                             "JPKI_PKCS11_PINENTRY_PROGRAM": program, "JPKI_PKCS11_CONSENT": consent})
    pid = victim.process.pid
    for word in ("open 1", "login", "sign"):
        said = victim.ask(word)
        assert said == "CKR_OK", f"{word}: {said}"
        expect(f"dialog, consent = {consent}, after {word}", pid, PASSWORD, 0 if word == "open 1" else kept)
    victim.ask("logout")
    expect(f"dialog, consent = {consent}, after C_Logout", pid, PASSWORD, 0)
    victim.end()


def main(module):
    reading, writing = os.pipe()
    log = os.path.join(os.environ["VIRTUAL_CARD_DIR"], "module.log")
    # In Python the key does not need its password for each signature; here it is set to.
    victim = Victim(module, {"JPKI_PKCS11_LOG": "trace", "JPKI_PKCS11_LOG_FILE": log,
                             "JPKI_PKCS11_ALWAYS_AUTHENTICATE": "yes"}, reading)
    pid = victim.process.pid

    def ask(expected, word, *secrets):
        os.write(writing, b"".join(secrets))
        said = victim.ask(word, *(f"@{len(secret)}" for secret in secrets))
        assert said == expected, f"{word}: {said}"

    print("| when | copies of the password | |\n|---|---|---|")
    ask("CKR_OK", "open 1")
    expect("before the login", pid, PASSWORD, 0)
    ask("CKR_OK", "login", PASSWORD.lower())
    expect("logged in", pid, PASSWORD, 1)
    child = int(victim.ask("fork"))
    expect("in a forked child", child, PASSWORD, 0)
    ask("CKR_OK", "reap")
    ask("CKR_OK", "sign")
    expect("after the one signature that came with the login", pid, PASSWORD, 0)
    ask("CKR_OK", "context", PASSWORD)
    expect("logged in for one signature", pid, PASSWORD, 1)
    ask("CKR_OK", "cancel")
    expect("that signature cancelled", pid, PASSWORD, 0)
    ask("CKR_OK", "context", PASSWORD)
    ask("CKR_OK", "sign-now")
    expect("after such a signature", pid, PASSWORD, 0)
    ask("CKR_OK", "logout")
    ask("CKR_PIN_INCORRECT", "login", WRONG)
    expect("a wrong password was refused", pid, WRONG, 0)
    ask("CKR_PIN_INCORRECT", "login", WRONG)
    expect("and given again", pid, WRONG, 0)
    ask("CKR_OK", "login", PASSWORD)
    expect("logged in after that", pid, PASSWORD, 1)
    ask("CKR_OK", "setpin", PASSWORD, NEW)
    expect("after C_SetPIN, the old one", pid, PASSWORD, 0)
    expect("after C_SetPIN, the new one", pid, NEW, 1)
    ask("CKR_OK", "setpin", NEW, PASSWORD)
    ask("CKR_OK", "logout")
    expect("after C_Logout", pid, PASSWORD, 0)
    ask("CKR_OK", "login", PASSWORD)
    ask("CKR_OK", "close")
    expect("after the last C_CloseSession", pid, PASSWORD, 0)
    ask("CKR_OK", "open 1")
    ask("CKR_OK", "login", PASSWORD)
    control("remove")
    settled()
    victim.ask("slots")
    expect("after the card was taken out", pid, PASSWORD, 0)
    control("insert")
    settled()
    while victim.ask("open 1") != "CKR_OK":
        pass
    ask("CKR_OK", "login", PASSWORD)
    ask("CKR_OK", "finalize")
    expect("after C_Finalize", pid, PASSWORD, 0)
    victim.end()
    for consent, kept in (("session", 1), ("each", 0)):
        by_dialog(module, log, consent, kept)
    with open(log, "rb") as text:
        said = text.read()
    shown = [word for word in (PASSWORD, WRONG, NEW) if word in said or word.lower() in said or word.hex().encode() in said.lower()]
    print(f"| in the log at trace, {len(said) // 1000} kB | {len(shown)} | {'as it must be' if not shown and said else 'WRONG'} |")
    return 1 if failed or shown or not said else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
