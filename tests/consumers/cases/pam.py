"""The computer's own login: pam_p11, pam_pkcs11 and SSSD, by the real sudo (set-uid, without an environment) and su. Standard
library only. Everything stands in a mount namespace of the case: users, PAM's services, pcscd's socket."""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
import re
import ssl
import time

from support.bench import AUTH, CONFIGURATIONS, PIN, SHIPPED_MODULE, Bench, need, package, wait_for
from support.case import Skipped, case

from cases.servers import common_name, lay_down

USER, NUMBER = "holder", "61357"
AS_USER = ["setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--clear-groups", "--reset-env"]
SUDO = [*AS_USER, "sudo", "-S", "-k", "-p", "password:", "id", "-u"]
WRONG = ("9999", "9998", "9997", "9996")
SECURITY = pathlib.Path("/usr/lib/x86_64-linux-gnu/security")


def machine(bench: Bench, **services: str) -> pathlib.Path:
    """Lays a user, sudo's rights and these services of PAM over the system's. The user's home."""
    if os.geteuid() != 0:
        raise Skipped("only root may lay its own users and services over the system's")
    etc = {
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:{NUMBER}:{NUMBER}::/home/{USER}:/bin/sh\nsssd:x:997:997::/:/bin/false\n",
        "group": f"root:x:0:\n{USER}:x:{NUMBER}:\nsssd:x:997:\n",
        "shadow": f"root:*:1::::::\n{USER}:*:1::::::\n",
        "sudoers": f"Defaults !lecture\nroot ALL=(ALL) ALL\n{USER} ALL=(ALL) ALL\n",
    }
    for name, text in etc.items():
        path = bench.file(f"etc/{name}", text, 0o440 if name == "sudoers" else 0o644)
        bench.sh("mount", "--bind", path, f"/etc/{name}")
    deny = "auth required pam_deny.so\n"
    account = "account required pam_permit.so\n"
    session = "session required pam_permit.so\n"
    common = {"common-auth": deny, "common-account": account, "common-session": session, "common-session-noninteractive": session}
    for name, text in {**common, **services}.items():
        bench.file(f"pam.d/{name}", text, 0o644)
    bench.sh("mount", "--bind", bench.dir / "pam.d", "/etc/pam.d")
    bench.sh("mount", "-t", "tmpfs", "tmpfs", "/home")
    home = pathlib.Path("/home", USER)
    home.mkdir(mode=0o755)
    # A set-uid program gets no PCSCLITE_CSOCK_NAME: pcscd's socket stands where everybody looks.
    os.makedirs("/run/pcscd", exist_ok=True)
    bench.sh("mount", "--bind", pathlib.Path(os.environ["PCSCLITE_CSOCK_NAME"]).parent, "/run/pcscd")
    bench.install()
    return home


def sudo(bench: Bench, *answers: str) -> str:
    """What sudo says to the user who types these answers; `0` alone on a line is root."""
    return bench.sh(*SUDO, stdin="".join(f"{answer}\n" for answer in answers), ok=False)


def is_root(said: str) -> bool:
    """Did the command run?"""
    return re.search(r"(^|:\s*)0$", said, re.MULTILINE) is not None


def three_logins(bench: Bench) -> None:
    """Right; wrong as often as sudo lets; right again. The last try is never spent."""
    said = sudo(bench, PIN)
    bench.check(is_root(said), f"no root with the right PIN: {said}")
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")
    said = sudo(bench, *WRONG)
    bench.check(not is_root(said), f"root with a wrong PIN: {said}")
    left = bench.counters()["auth_tries"]
    bench.check(left == 1, f"{left} tries left: two wrong PINs are sent, and the last try is kept")
    bench.row.did += f"; other wrong PINs as often as sudo asks leave {left} of 3 tries"


def restore(bench: Bench) -> None:
    """The right PIN, on purpose for the last try."""
    bench.sh("pkcs11-tool", "--module", SHIPPED_MODULE, "--token-label", AUTH, "--login", "--pin", PIN, "--list-objects",
             env={"JPKI_PKCS11_LAST_TRY": "allow"})


def no_card(bench: Bench, password: str = "") -> None:
    """Without a card the next line of PAM decides: it denies, or takes the user's password."""
    bench.control("remove")
    time.sleep(1)
    said = sudo(bench, PIN)
    bench.check(not is_root(said), f"root without a card: {said}")
    if password:
        digest = bench.sh("openssl", "passwd", "-6", password).strip()
        bench.file("etc/shadow", f"{USER}:{digest}:1::::::\n", 0o644)
        said = sudo(bench, password)
        bench.check(is_root(said), f"no root with the password: {said}")
    bench.control("insert")
    wait_for(lambda: "powered=yes" in bench.control("verified"), "pcscd does not see the card")


def authorize(bench: Bench, home: pathlib.Path) -> None:
    """The card's key is the user's."""
    pem = bench.file("key.pem", bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-pubkey"))
    (home / ".ssh").mkdir(mode=0o755)
    keys = home / ".ssh/authorized_keys"
    keys.write_text(bench.sh("ssh-keygen", "-i", "-m", "PKCS8", "-f", pem))
    keys.chmod(0o644)


@case("pam_p11", "pam_p11 (sudo)", "sudo by ~/.ssh/authorized_keys; wrong PIN; no card",
      version=lambda: package("libpam-p11"), needs=["sudo", "setpriv", "ssh-keygen", "pkcs11-tool"], mounts=True)
def pam_p11(bench: Bench) -> None:
    """As root by set-uid, without an environment."""
    need(SECURITY / "pam_p11.so", "libpam-p11")
    home = machine(bench, sudo=(CONFIGURATIONS / "pam_p11/sudo").read_text())
    authorize(bench, home)
    three_logins(bench)
    restore(bench)
    no_card(bench)


@case("pam_p11-second-reader", "pam_p11 (su)", "su; a bank card lies in the first reader",
      version=lambda: package("libpam-p11"), needs=["su", "setpriv", "ssh-keygen", "pkcs11-tool"], mounts=True,
      card=["--card", "bank=foreign", "--second", "me=plastic"])
def second_reader(bench: Bench) -> None:
    """The module shows a slot for each reader; pam_p11 looks into all of them."""
    need(SECURITY / "pam_p11.so", "libpam-p11")
    os.environ["VIRTUAL_CARD_CONTROL"] = os.environ["VIRTUAL_CARD_CONTROL_2"]
    home = machine(bench, su=(CONFIGURATIONS / "pam_p11/sudo").read_text())
    authorize(bench, home)
    said = bench.sh(*AS_USER, "su", USER, "-c", "id -u", stdin=f"{PIN}\n", ok=False)
    bench.check(NUMBER in said.split(), said)
    bench.check(bench.counters()["auth_signatures"] == 1, f"{bench.counters()}")
    # For the module's log: a set-uid program writes none.
    bench.sh("pkcs11-tool", "--module", SHIPPED_MODULE, "--list-slots")


@case("pam_pkcs11", "pam_pkcs11 (sudo)", "sudo by the certificate's digest, checked up to its authority; wrong PIN; no card",
      version=lambda: package("libpam-pkcs11"), needs=["sudo", "setpriv", "pkcs11_make_hash_link", "pkcs11-tool"], mounts=True)
def pam_pkcs11(bench: Bench) -> None:
    """The certificate is checked against the authority; revocation cannot be."""
    need(SECURITY / "pam_pkcs11.so", "libpam-pkcs11")
    machine(bench, sudo="auth sufficient pam_pkcs11.so\n@include common-auth\n@include common-account\n@include common-session-noninteractive\n")
    authorities = bench.dir / "pam_pkcs11/ca"
    bench.file("pam_pkcs11/ca/auth-ca.pem", bench.auth_ca.read_text(), 0o644)
    bench.sh("pkcs11_make_hash_link", authorities)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(bench.auth_certificate.read_text())).hexdigest().upper()
    mapping = bench.file("pam_pkcs11/digest_mapping", ":".join(re.findall("..", digest)) + f" -> {USER}\n", 0o644)
    shipped = (CONFIGURATIONS / "pam_pkcs11/pam_pkcs11.conf").read_text()
    bench.file("pam_pkcs11/pam_pkcs11.conf", shipped.replace("CA_FOLDER", str(authorities)).replace("/MAP_FILE", str(mapping)), 0o644)
    bench.sh("mount", "--bind", bench.dir / "pam_pkcs11", "/etc/pam_pkcs11")
    three_logins(bench)
    restore(bench)
    no_card(bench)
    mapping.write_text(f"{':'.join(['00'] * 32)} -> {USER}\n")
    said = sudo(bench, PIN)
    bench.check(not is_root(said), f"root by a certificate that is not listed: {said}")


P11_CHILD = "/usr/libexec/sssd/p11_child"


@case("p11_child", "SSSD (p11_child)", "finds the certificate as at SSSD's login, and signs with the PIN; wrong PIN",
      version=lambda: package("sssd-common"), needs=[P11_CHILD, "pkcs11-tool"], mounts=True)
def p11_child(bench: Bench) -> None:
    """What sssd starts for each login."""
    machine(bench)
    bench.register_with_p11_kit()
    common = [P11_CHILD, "--ca_db", bench.auth_ca, "--verify", "no_ocsp", "--logger=stderr", "--debug-level=0"]
    lines = bench.sh(*common, "--pre").splitlines()[1:]
    # Five lines for each certificate: token, module, key, label, the certificate.
    found = [lines[at:at + 5] for at in range(0, len(lines), 5)]
    wanted = base64.b64encode(ssl.PEM_cert_to_DER_cert(bench.auth_certificate.read_text())).decode()
    own = [entry for entry in found if entry[4:] == [wanted]]
    # The module shows it no others: SSSD offers each at a login.
    bench.check(len(found) == len(own) == 1 and own[0][0] == AUTH, f"{[entry[:4] for entry in found]}")
    token, module, key, label, _ = own[0]
    chosen = [*common, "--auth", "--pin", "--token_name", token, "--module_name", module, "--key_id", key, "--label", label]
    said = bench.sh(*chosen, stdin=PIN)
    bench.check(bench.counters()["auth_signatures"] == 1, f"{bench.counters()}: {said}")
    for wrong in WRONG:
        bench.sh(*chosen, stdin=wrong, ok=False)
    left = bench.counters()["auth_tries"]
    bench.check(left == 1, f"{left} tries left")
    bench.row.did += f"; other wrong PINs in four logins leave {left} of 3 tries"
    restore(bench)


# As Debian's pam-auth-update writes it for libpam-sss.
DEBIAN = """auth [success=2 default=ignore] pam_unix.so nullok
auth [success=1 default=ignore] pam_sss.so use_first_pass
auth requisite pam_deny.so
auth required pam_permit.so
"""


@case("sssd", "SSSD", "sudo and PAM's login by a rule for the certificate; wrong PIN; another card; no card; the key for sshd",
      version=lambda: package("sssd-common"), needs=["sssd", "sss_override", "sudo", "setpriv", "pamtester", "pkcs11-tool", "ssh-keygen"], mounts=True,
      card=["--card", "me=plastic", "--card", "other=plastic"])
def sssd(bench: Bench) -> None:
    """Its users are those of /etc/passwd."""
    need(SECURITY / "pam_sss.so", "libpam-sss")
    bench.sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    stack = (CONFIGURATIONS / "sssd/sudo").read_text()
    machine(bench, **{"sudo": stack, "login": stack, "common-auth": DEBIAN})
    bench.register_with_p11_kit()
    for part in ("db", "mc", "pipes/private", "pubconf", "secrets"):
        (bench.dir / "sss" / part).mkdir(parents=True)
    bench.sh("mount", "--bind", bench.dir / "sss", "/var/lib/sss")
    for place in ("/etc/sssd", "/var/log/sssd"):
        bench.sh("mount", "-t", "tmpfs", "tmpfs", place)
    settings = bench.configuration("sssd/sssd.conf", CA_FILE=str(bench.auth_ca), USER_NAME=USER, NUMBER_OF_THE_CARD=common_name(bench))
    bench.sh("install", "-m", "600", settings, "/etc/sssd/sssd.conf")
    start_sssd(bench)
    three_logins(bench)
    restore(bench)
    # By PAM's service of the console. A wrong password after a wrong PIN is not sent to the card.
    for pin, left in (("9999", 2), (PIN, 3)):
        said = bench.sh("pamtester", "login", USER, "authenticate", stdin=f"{pin}\n0000\n", ok=False)
        bench.check(("successfully authenticated" in said) == (pin == PIN) and bench.counters()["auth_tries"] == left, f"{pin}: {said}\n{bench.counters()}")
    lay_down(bench, "other")
    said = sudo(bench, PIN)
    bench.check(not is_root(said) and bench.counters()["auth_verifies"] == 0, f"root with another card: {said}")
    lay_down(bench, "me")
    no_card(bench, "the user's password")
    # For sshd's AuthorizedKeysCommand the certificate must be the user's own.
    certificate = base64.b64encode(ssl.PEM_cert_to_DER_cert(bench.auth_certificate.read_text())).decode()
    bench.sh("sss_override", "user-add", USER, "--certificate", certificate)
    bench.stop_last()
    start_sssd(bench)
    pem = bench.file("key.pem", bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-pubkey"))
    key = bench.sh("ssh-keygen", "-i", "-m", "PKCS8", "-f", pem)
    wait_for(lambda: bench.sh("sss_ssh_authorizedkeys", USER, ok=False).split() == key.split(), "SSSD does not name the card's key")


def start_sssd(bench: Bench) -> None:
    """With all its parts, in the foreground."""
    log = bench.start("sssd", "--interactive", "--logger=stderr", name="sssd")
    wait_for(lambda: USER in bench.sh("getent", "-s", "sss", "passwd", USER, ok=False) and all(
        pathlib.Path("/var/lib/sss/pipes", part).exists() for part in ("pam", "ssh")), f"SSSD does not start: {log.read_text(errors='replace')}")
