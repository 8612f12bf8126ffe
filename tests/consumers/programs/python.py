"""Python's libraries on PKCS#11: python-pkcs11, PyKCS11, pyHanko, and the test suite pkcs11-check. They live in
virtual environments that tests/consumers/install makes. Standard library only here."""

from __future__ import annotations

import pathlib
import subprocess

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, TOOLS, Bench, need
from support.case import case
from support.documents import pdf, verify_pdf

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "python"
VENV = TOOLS / "venv/bin"
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}


def version(package: str, venv: pathlib.Path = VENV) -> str:
    """Version of a package in a virtual environment."""
    python = venv / "python3"
    if not python.exists():
        return ""
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def sign_with(bench: Bench, script: str, again: bool) -> None:
    """Both tokens, PKCS#1 and PSS in one login; the signature key in both settings."""
    python, document = need(VENV / "python3", "the virtual environment"), bench.document()
    one, two = bench.dir / "one", bench.dir / "two.pss"
    found = []
    for token, pin, certificate, env in ((AUTH, PIN, bench.auth_certificate, {}), (SIGN, PASSWORD, bench.sign_certificate, {}),
                                         (SIGN, PASSWORD, bench.sign_certificate, NO)):
        for path in (one, two):
            path.unlink(missing_ok=True)
        more = {"AGAIN": "1"} if again and token == SIGN and not env else {}
        said = bench.sh(python, SOURCES / script, MODULE, token, pin, document, one, two, env={**env, **more}, ok=token == AUTH)
        for path in (one, two):
            if path.exists():
                bench.verify(path, document, certificate, pss=path == two)
        bench.check("verified by the module: True" in said, said)
        found.append((one.exists(), two.exists()))
    bench.check(found[0] == found[2] == (True, True) and found[1][0], f"signatures: {found}")
    how = "yes, with pin=" if again else "yes"
    bench.row.always_authenticate = f"{how if found[1][1] else 'first only'} / yes"


@case("python-pkcs11", "python-pkcs11", "lists both tokens; signs and verifies, PKCS#1 and PSS",
      version=lambda: version("python-pkcs11"))
def python_pkcs11(bench: Bench) -> None:
    """`pin=` of sign() is the context login."""
    sign_with(bench, "sign_python_pkcs11.py", again=True)


@case("pykcs11", "PyKCS11", "lists both tokens; signs and verifies, PKCS#1 and PSS", version=lambda: version("pykcs11"))
def pykcs11(bench: Bench) -> None:
    """Its sign() leaves no room for a context login."""
    sign_with(bench, "sign_pykcs11.py", again=False)


@case("pyhanko", "pyHanko", "a PAdES signature with the signature certificate, PKCS#1 and PSS; validated",
      version=lambda: version("pyhanko"), timeout=120)
def pyhanko(bench: Bench) -> None:
    """The command of pyhanko-cli; it asks for the password, here on standard input."""
    command = need(VENV / "pyhanko", "pyhanko-cli")
    configuration = bench.configuration("pyhanko/pyhanko.yml")
    document, signed, twice = pdf(bench), bench.dir / "signed.pdf", bench.dir / "twice.pdf"
    for env in ({}, NO):
        if env:
            # To send the password again to a key that does not want it is an error by the standard.
            text = configuration.read_text()
            configuration = bench.file("no.yml", text.replace("signing-pin-mode: reauthenticate", "signing-pin-mode: skip"))
        for field, source, target, more in (("Sig1", document, signed, []), ("Sig2", signed, twice, ["--prefer-pss"])):
            bench.sh(command, "--config", configuration, "sign", "addsig", "--field", field, "--use-pades", *more,
                     "pkcs11", "--p11-setup", "jpki", source, target, stdin=PASSWORD + "\n", env=env)
        verify_pdf(bench, signed, bench.sign_ca)
        verify_pdf(bench, twice, bench.sign_ca, count=2)
        said = bench.sh(command, "--config", configuration, "sign", "validate", "--pretty-print", "--no-revocation-check", "--trust",
                        bench.sign_ca, "--trust-replace", twice, ok=False)
        bench.check(said.count("cryptographically sound") == 2, said)
    bench.row.always_authenticate = "yes, with `signing-pin-mode: reauthenticate` / yes, with `skip`"
