"""What real programs do after each answer of C_Login: how often they call it, how many VERIFYs the card gets.
Reads the module's log and the card's counters.

    programs.py MODULE            prints Markdown; exits with 1 if a kept last try was spent"""

import os
import shutil
import subprocess
import sys
import tempfile

from fixture import Bystander, control, counters, settled

AUTH, SIGN = "JPKI (User Authentication PIN)", "JPKI (Digital Signature PIN)"
URI = "pkcs11:token=JPKI%20%28User%20Authentication%20PIN%29;id=%01;type=private"
folder = tempfile.mkdtemp()


def write(name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def pkcs11_tool(module, pin):
    return ["pkcs11-tool", "--module", module, "--token-label", AUTH, "-l", "-p", pin, "-O"]


def p11tool(module, pin):
    return ["p11tool", "--provider", module, "--batch", "--login", "--test-sign", URI], {"GNUTLS_PIN": pin}


def openssl(module, pin):
    config = write("openssl.cnf", f"openssl_conf = a\n[a]\nengines = b\n[b]\npkcs11 = c\n[c]\n"
                                  f"engine_id = pkcs11\nMODULE_PATH = {module}\ninit = 0\n")
    sign = ["openssl", "dgst", "-sha256", "-engine", "pkcs11", "-keyform", "engine", "-sign",
            f"{URI}?pin-value={pin}", "-out", "/dev/null", "/dev/null"]
    return sign, {"OPENSSL_CONF": config}


def ssh_add(module, pin):
    askpass = write("askpass", f"#!/bin/sh\necho '{pin}'\n", 0o700)
    return (["ssh-agent", "-P", "/*", "ssh-add", "-s", module],
            {"SSH_ASKPASS": askpass, "SSH_ASKPASS_REQUIRE": "force"})


def keytool(module, pin):
    config = write("java.cfg", f"name = jpki\nlibrary = {module}\nslotListIndex = 0\n")
    return ["keytool", "-storetype", "PKCS11", "-keystore", "NONE", "-addprovider", "SunPKCS11", "-providerarg",
            config, "-storepass", pin, "-list"]


def nss(module, pin):
    database = os.path.join(folder, "nss")
    if not os.path.isdir(database):
        os.mkdir(database)
        subprocess.run(["certutil", "-N", "-d", f"sql:{database}", "--empty-password"], check=True)
        subprocess.run(["modutil", "-dbdir", f"sql:{database}", "-add", "jpki", "-libfile", module, "-force"],
                       check=True, capture_output=True, input=b"\n")
    passwords = write("passwords", f"{AUTH}:{pin}\n")
    return ["certutil", "-K", "-d", f"sql:{database}", "-h", AUTH, "-f", passwords]


PROGRAMS = [("pkcs11-tool", pkcs11_tool, "pkcs11-tool"), ("GnuTLS (`p11tool`)", p11tool, "p11tool"),
            ("libp11 (OpenSSL engine)", openssl, "openssl"), ("OpenSSH (`ssh-add -s`, both tokens)", ssh_add, "ssh-add"),
            ("Java (`keytool`)", keytool, "keytool"), ("NSS (`certutil -K`)", nss, "certutil")]

# One signature with the signature key, and two in one session where the program can.
SIGN_URI = "pkcs11:token=JPKI%20%28Digital%20Signature%20PIN%29;id=%02;type=private"


def data():
    return write("data", "data to be signed")


def sign_pkcs11_tool(module, pin):
    return ["pkcs11-tool", "--module", module, "--token-label", SIGN, "-l", "-p", pin, "--id", "02", "-s", "-m",
            "SHA256-RSA-PKCS", "-i", data(), "-o", os.path.join(folder, "signature")]


def sign_p11tool(module, pin):
    return ["p11tool", "--provider", module, "--batch", "--login", "--test-sign", SIGN_URI], {"GNUTLS_PIN": pin}


def sign_openssl(module, pin):
    command, environment = openssl(module, pin)
    return [word.replace(URI, SIGN_URI) for word in command], environment


def sign_keytool(module, pin):
    config = write("java-sign.cfg", f"name = jpki\nlibrary = {module}\nslotListIndex = 1\n")
    return ["keytool", "-storetype", "PKCS11", "-keystore", "NONE", "-addprovider", "SunPKCS11", "-providerarg",
            config, "-storepass", pin, "-certreq", "-alias", "Digital Signature Certificate"]


def sign_nss(module, pin):
    command = nss(module, pin)
    passwords = write("passwords", f"{SIGN}:{pin}\n")
    return ["cmsutil", "-S", "-G", "-Y", "NONE", "-d", command[3], "-N", f"{SIGN}:Digital Signature Certificate",
            "-f", passwords, "-u", "0", "-i", data(), "-o", os.path.join(folder, "cms")]


SIGNERS = [("pkcs11-tool", sign_pkcs11_tool), ("GnuTLS (`p11tool --test-sign`)", sign_p11tool),
           ("libp11 (OpenSSL engine)", sign_openssl), ("Java (`keytool -certreq`)", sign_keytool),
           ("NSS (`cmsutil -S`)", sign_nss)]
CASES = [("right PIN", "1234", "me"), ("wrong PIN", "9999", "me"), ("wrong shape", "ABCD", "me"),
         ("one try left, right PIN", "1234", "last")]


def play(make, module, pin, card, bystander, **settings):
    if control("status")["inserted"] != card:
        control("swap", card)
        settled()
        bystander.connect()
    if card == "me":
        bystander.set_right()
    made = make(module, pin)
    command, environment = made if isinstance(made, tuple) else (made, {})
    log = os.path.join(folder, "log")
    before = counters()
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, text=True, errors="replace", check=False,
            env={**os.environ, "HOME": folder, "JPKI_PKCS11_LOG": "debug", "JPKI_PKCS11_LOG_FILE": log, **environment, **settings})
    except subprocess.TimeoutExpired:
        return "does not end", 0
    after = counters()
    with open(log) as lines:
        answers = [line.split(": ", 1)[1].split()[0].rstrip(",") for line in lines
                   if "C_Login: " in line]
    os.remove(log)
    verifies = sum(after[key] - before[key] for key in ("auth_verifies", "sign_verifies"))
    said = " ".join(answer.replace("CKR_", "") for answer in answers) or "no C_Login"
    if os.environ.get("PROGRAMS_VERBOSE"):
        print(command, ended.returncode, ended.stdout[-300:], ended.stderr[-500:], file=sys.stderr)
    signed = after["sign_signatures"] - before["sign_signatures"]
    shown = f"{said}; {verifies}; exit {ended.returncode}"
    if settings:
        shown = f"{signed} signed; {shown}"
    return shown, verifies if card == "last" else 0


def main(module):
    bystander = Bystander()
    spent = 0
    print("Each cell: what each C_Login answered; VERIFYs that the card got; exit status.\n")
    print("| program | " + " | ".join(name for name, _, _ in CASES) + " |")
    print("|---|" + "---|" * len(CASES))
    for name, make, executable in PROGRAMS:
        if not shutil.which(executable):
            print(f"| {name} | not installed |" + " |" * (len(CASES) - 1))
            continue
        cells = []
        for _, pin, card in CASES:
            cell, lost = play(make, module, pin, card, bystander)
            spent += lost
            cells.append(cell)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    print("\nThe signature key with each setting of `always_authenticate`; first, how many signatures the card made.\n")
    print("| program | `auto` | `yes` | `no` |\n|---|---|---|---|")
    for name, make in SIGNERS:
        cells = [play(make, module, "ABC123", "me", bystander, JPKI_PKCS11_ALWAYS_AUTHENTICATE=value)[0]
                 for value in ("auto", "yes", "no")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    left = counters("last")["auth_tries"]
    print(f"\nThe card with one try left has {left} afterwards.")
    return 1 if spent or left != 1 else 0


if __name__ == "__main__":
    status = main(sys.argv[1])
    shutil.rmtree(folder)
    sys.exit(status)
