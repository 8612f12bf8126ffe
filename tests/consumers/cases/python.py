"""Python's libraries on PKCS#11: python-pkcs11, PyKCS11, pyHanko, and the test suite pkcs11-check. They live in
virtual environments that tests/consumers/install makes. Standard library only here."""

from __future__ import annotations

import pathlib
import re
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
    bench.check(found == 3 * [(True, True)], f"signatures: {found}")
    bench.row.always_authenticate = "yes / yes"


@case("python-pkcs11", "python-pkcs11", "lists both tokens; signs and verifies, PKCS#1 and PSS",
      version=lambda: version("python-pkcs11"))
def python_pkcs11(bench: Bench) -> None:
    """`pin=` of sign() is a context login, also for a key that does not want it."""
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
        for field, source, target, more in (("Sig1", document, signed, []), ("Sig2", signed, twice, ["--prefer-pss"])):
            bench.sh(command, "--config", configuration, "sign", "addsig", "--field", field, "--use-pades", *more,
                     "pkcs11", "--p11-setup", "jpki", source, target, stdin=PASSWORD + "\n", env=env)
        verify_pdf(bench, signed, bench.sign_ca)
        verify_pdf(bench, twice, bench.sign_ca, count=2)
        said = bench.sh(command, "--config", configuration, "sign", "validate", "--pretty-print", "--no-revocation-check", "--trust",
                        bench.sign_ca, "--trust-replace", twice, ok=False)
        bench.check(said.count("cryptographically sound") == 2, said)
    bench.row.always_authenticate = "yes / yes"


# Tests of pkcs11-check that fail here and why that is right: a card whose two keys are made by the
# municipality makes, imports and stores nothing.
NO_AES = "no AES and no other secret keys"
NO_NEW_KEYS = "makes a key pair (C_GenerateKeyPair)"
READ_ONLY = "stores an object on the token"
NOT_OFFERED = "CKR_FUNCTION_NOT_SUPPORTED comes before a look at arguments"
NOT_OF_A_CARD = {
    "test_aes_mechanism_available": NO_AES,
    "test_aes_mechanism_present": NO_AES,
    "test_has_symmetric_mechanisms": NO_AES,
    "test_imported_key_has_unavailable": NO_AES,
    "test_imported_aes_key_reports_not_local_no_key_gen_mechanism": NO_AES,
    "test_import_aes_key_bytes": NO_AES,
    "test_extractable_key_value": NO_AES,
    "test_derive_from_digest": NO_AES,
    "test_create_object_minimal": NO_AES,
    "test_create_session_object_in_ro_succeeds": NO_AES,
    "test_generate_key_null_mechanism": NOT_OFFERED,
    "test_wrap_key_null_mechanism": NOT_OFFERED,
    "test_derive_key_null_mechanism": NOT_OFFERED,
    "test_rsa_pss_sign_p11_verify_crypto": NO_NEW_KEYS,
    "test_message_sign_single": NO_NEW_KEYS,
    "test_message_verify_single": NO_NEW_KEYS,
    "test_message_sign_verify_roundtrip": NO_NEW_KEYS,
    "test_message_sign_multipart": NO_NEW_KEYS,
    "test_message_verify_bad_signature": NO_NEW_KEYS,
    "test_message_verify_multipart": NO_NEW_KEYS,
    "test_message_verify_multipart_bad_signature": NO_NEW_KEYS,
    "test_verify_signature_single_shot": NO_NEW_KEYS,
    "test_verify_signature_multipart": NO_NEW_KEYS,
    "test_verify_signature_wrong_sig": NO_NEW_KEYS,
    "test_verify_signature_wrong_key": NO_NEW_KEYS,
    "test_public_cannot_copy_to_private_object": READ_ONLY,
    "test_non_private_object_visible_without_login": READ_ONLY,
    "test_public_sees_non_private_objects": READ_ONLY,
    "test_user_sees_non_private_objects": READ_ONLY,
    "test_token_public_object_visible_in_public": READ_ONLY,
    "test_public_object_remains_after_logout": READ_ONLY,
    "test_cert_storage_template": READ_ONLY,
    "test_cancel_after_digest_init_subprocess": "expects C_SessionCancel with no flag to cancel something",
}
CATEGORIES = ("interface", "slot", "mechanism", "sign", "digest", "object")


@case("pkcs11-check", "pkcs11-check", f"its tests of {', '.join(CATEGORIES)}", timeout=600,
      version=lambda: version("pkcs11-check", TOOLS / "venv-check/bin"))
def pkcs11_check(bench: Bench) -> None:
    """A conformance suite for tokens of all kinds; most of it is for keys that can be made."""
    command = need(TOOLS / "venv-check/bin/pkcs11-check", "pkcs11-check")
    passed, failed, skipped = 0, [], 0
    for category in CATEGORIES:
        said = bench.sh(command, "test", "--module", MODULE, "--slot", "0", "--skip-slow", "--isolation", "none",
                        "--category", category, env={"P11TEST_PIN": PIN, "COLUMNS": "200"}, ok=False, timeout=200)
        summary = re.findall(r"^(?=.* in [\d.]+s).*\bpassed\b.*$", said, re.MULTILINE)
        count = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", (summary or [""])[-1])}
        bench.check(count.get("passed"), f"{category}: no test passed:\n{said[-600:]}")
        passed, skipped = passed + count["passed"], skipped + count.get("skipped", 0)
        names = re.findall(r"^FAILED \S*::(\w+)", said, re.MULTILINE)
        bench.check(len(names) == count.get("failed", 0) and not count.get("error"), f"{category}: unreadable:\n{said[-600:]}")
        failed += names
    others = sorted(set(failed) - set(NOT_OF_A_CARD))
    bench.check(not others, f"failed: {', '.join(others)}")
    bench.row.reason = f"{passed} passed, {skipped} skipped, {len(set(failed))} want what no signing card has (the reasons are in programs/python.py)"
