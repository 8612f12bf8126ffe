"""The test suites that come with libraries and tools, for what a signing token can do. Standard library only. A test that
fails must be one of those listed here, with the reason why no signing card passes it."""

from __future__ import annotations

import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, TOOLS, Bench, first_line, need
from support.case import Skipped, case

from .python import VENV, version

NO_NEW_KEYS = "generates, unwraps or derives keys"
NO_ENCRYPTION = "encrypts or decrypts"
NAMES = "wants the names of SoftHSM"
LOGIN = "logs in with the PIN of SoftHSM, or as security officer"
NOT_OF_A_CARD = {
    # python-pkcs11
    "test_rsa": NO_ENCRYPTION,
    "test_terrible_hybrid_file_encryption_app": NO_ENCRYPTION,
    "test_create_object": "creates a secret key",
    "test_destroy_object": NO_NEW_KEYS,
    "test_seed_random": "seeds the random numbers of the card",
    "test_get_mechanism_info": "asks for a mechanism of AES",
    "test_get_mechanism_info_ec": "asks for a mechanism of elliptic curves",
    "test_verify_certificate_rsa": "its RSA key has 512 bits; less than 1024 are refused",
    # PyKCS11
    "test_LowLevel": NAMES,
    "test_getInfo": NAMES,
    "test_getSlotInfo": NAMES,
    "test_getTokenInfo": NAMES,
    "test_RSA_OAEP": NO_NEW_KEYS,
    "test_RSA_OAEPwithAAD": NO_NEW_KEYS,
    "test_RSA_PSS_SHA1": NO_NEW_KEYS,
    "test_RSA_PSS_SHA256": NO_NEW_KEYS,
    "test_encrypt_PKCS": NO_NEW_KEYS,
    "test_encrypt_X509": NO_NEW_KEYS,
    "test_pubKey": NO_NEW_KEYS,
    "test_sign_PKCS": NO_NEW_KEYS,
    "test_sign_PKCS_SHA256": NO_NEW_KEYS,
    "test_sign_X509": NO_NEW_KEYS,
    "test_sign_integer": NO_NEW_KEYS,
    "test_gost": NO_NEW_KEYS,
    "test_deriveKey_CKM_CONCATENATE_BASE_AND_DATA": NO_NEW_KEYS,
    "test_deriveKey_CKM_CONCATENATE_BASE_AND_KEY": NO_NEW_KEYS,
    "test_deriveKey_CKM_CONCATENATE_DATA_AND_BASE": NO_NEW_KEYS,
    "test_deriveKey_CKM_EXTRACT_KEY_FROM_KEY": NO_NEW_KEYS,
    "test_deriveKey_CKM_XOR_BASE_AND_DATA": NO_NEW_KEYS,
    "test_deriveKey_ECDH1_DERIVE": NO_NEW_KEYS,
    "test_multi_part_symmetric": NO_NEW_KEYS,
    "test_gc": "logs out without a login",
    "test_initPin": LOGIN,
    "test_initToken": LOGIN,
    "test_initToken_utf8": LOGIN,
    "test_invalid_load": "counts the libraries that its other tests have loaded",
    "test_seedRandom": "seeds the random numbers of the card",
}


def unit_tests(bench: Bench, folder: str, env: dict[str, str]) -> tuple[int, int, list[str]]:
    """Runs a folder of unit tests. How many there were, were skipped, and the names of those that failed."""
    tests = TOOLS / "suites" / folder
    if not tests.exists():
        raise Skipped(f"not there: {folder} (tests/consumers/install fetches it)")
    python = need(VENV / "python3", "the virtual environment")
    inner = next(path for path in tests.iterdir() if path.is_dir())
    # python-pkcs11's are a package. PyKCS11's are files that count what the process has loaded: a process for each.
    runs = [["discover", "-t", ".", "-s", inner.name]] if (inner / "__init__.py").exists() else [
        ["discover", "-s", inner.name, "-p", path.name] for path in sorted(inner.glob("test_*.py"))]
    total, skips, names = 0, 0, []
    for words in runs:
        said = bench.sh(python, "-m", "unittest", *words, env=env, ok=False, timeout=200, cwd=tests)
        ran = re.search(r"^Ran (\d+) test", said, re.MULTILINE)
        bench.check(ran, f"no tests:\n{said[-600:]}")
        skipped = re.search(r"skipped=(\d+)", said)
        total, skips = total + int(ran.group(1)), skips + (int(skipped.group(1)) if skipped else 0)
        names += re.findall(r"^(?:FAIL|ERROR): (\w+)", said, re.MULTILINE)
    return total, skips, names


def judge(bench: Bench, runs: list[tuple[int, int, list[str]]]) -> None:
    """No test failed but those of the list."""
    failed = sorted({name for _, _, names in runs for name in names})
    others = [name for name in failed if name not in NOT_OF_A_CARD]
    bench.check(not others, f"failed: {', '.join(others)}")
    passed = sum(ran - skipped - len(names) for ran, skipped, names in runs)
    bench.check(passed > 10, f"only {passed} tests passed")
    bench.row.reason = (f"{passed} passed, {sum(skipped for _, skipped, _ in runs)} skipped, {len(failed)} want what no signing card has "
                        "(the reasons are in cases/suites.py)")


@case("python-pkcs11-suite", "python-pkcs11's own tests", "on both tokens", version=lambda: version("python-pkcs11"), timeout=240)
def python_pkcs11(bench: Bench) -> None:
    """It asks for mechanisms and skips what is not offered."""
    judge(bench, [unit_tests(bench, "python-pkcs11-0.9.5", {
        "PKCS11_MODULE": str(MODULE), "PKCS11_TOKEN_LABEL": token, "PKCS11_TOKEN_PIN": pin,
    }) for token, pin in ((AUTH, PIN), (SIGN, PASSWORD))])


@case("pykcs11-suite", "PyKCS11's own tests", "on the authentication token", version=lambda: version("pykcs11"), timeout=240)
def pykcs11(bench: Bench) -> None:
    """Written for SoftHSM."""
    judge(bench, [unit_tests(bench, "pykcs11-1.5.20", {"PYKCS11LIB": str(MODULE)})])


@case("pkcs11-tool-threads", "pkcs11-tool", "`--test-threads` with four threads, `--test-fork`", needs=["pkcs11-tool"],
      version=lambda: first_line("opensc-tool", "--info"))
def threads(bench: Bench) -> None:
    """OpenSC's tests of C_Initialize in threads and in a child."""
    said = bench.sh("pkcs11-tool", "--module", MODULE, *(word for _ in range(2) for word in ("--test-threads", "ILGISLT0T1",
                    "--test-threads", "INGISLT1T0")), timeout=80)
    for answer in re.findall(r"returned (CKR_\w+)", said):
        bench.check(answer in ("CKR_OK", "CKR_CRYPTOKI_ALREADY_INITIALIZED"), said)
    bench.check(said.count("serial num") == 8, f"not eight descriptions of a token:\n{said}")
    said = bench.sh("pkcs11-tool", "--module", MODULE, "--test-fork")
    bench.check("forked child" in said and "error" not in said, said)
