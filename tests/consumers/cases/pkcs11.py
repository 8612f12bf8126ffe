"""The judges that ask for everything: pkcs11-tool, p11tool, p11-kit, pkcs11-check. Standard library only.
They never see a PIN of the wrong token."""

from __future__ import annotations

import os
import pathlib
import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, Bench, first_line, need, package, uri, wait_for
from support.case import case
from support.sshd import Sshd

TOKENS = ((AUTH, PIN), (SIGN, PASSWORD))


def opensc() -> str:
    """Version of pkcs11-tool."""
    return first_line("opensc-tool", "--info")


@case("pkcs11-tool-test", "pkcs11-tool", "`--test --login` on both tokens; lists both; signs with both keys by five mechanisms",
      version=opensc, needs=["pkcs11-tool"])
def pkcs11_tool(bench: Bench) -> None:
    """OpenSC's own tool and its self test."""
    for token, pin in TOKENS:
        said = tool(bench, token, pin, "--test")
        bench.check("No errors" in said, f"--test on {token}:\n{said}")
        listed = tool(bench, token, pin, "--list-objects")
        for kind in ("Private Key Object", "Certificate Object", "Public Key Object"):
            bench.check(kind in listed, f"no {kind} on {token}:\n{listed}")
    document = bench.document()
    for (token, pin), certificate, number in zip(
            TOKENS, (bench.auth_certificate, bench.sign_certificate), ("01", "02"), strict=True):
        for mechanism, digest in (("SHA256-RSA-PKCS", "sha256"), ("SHA384-RSA-PKCS", "sha384"),
                                  ("SHA512-RSA-PKCS", "sha512"), ("SHA256-RSA-PKCS-PSS", "sha256"),
                                  ("SHA1-RSA-PKCS", "sha1")):
            signature = bench.dir / "signature"
            tool(bench, token, pin, "--sign", "--id", number, "--mechanism", mechanism,
                 "--input-file", str(document), "--output-file", str(signature))
            bench.verify(signature, document, certificate, digest, pss=mechanism.endswith("PSS"))
    bench.row.always_authenticate = "yes / yes"
    before = bench.counters()["sign_signatures"]
    tool(bench, SIGN, PASSWORD, "--test", env={"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"})
    bench.check(bench.counters()["sign_signatures"] > before + 1, "no second signature with `no`")


def tool(bench: Bench, token: str, pin: str, *words: str, env: dict[str, str] | None = None) -> str:
    """pkcs11-tool, logged in to a token."""
    return bench.sh("pkcs11-tool", "--module", MODULE, "--token-label", token, "--login", "--pin", pin, *words, env=env)


@case("p11tool", "p11tool (GnuTLS)", "lists both tokens; `--test-sign` with both keys, PKCS#1 and PSS; exports the certificates",
      version=lambda: first_line("p11tool", "--version"), needs=["p11tool"])
def p11tool(bench: Bench) -> None:
    """GnuTLS's tool; it judges its signatures itself."""
    listed = bench.sh("p11tool", "--provider", MODULE, "--list-tokens")
    for token, _ in TOKENS:
        bench.check(f"Label: {token}" in listed, f"{token} is not listed:\n{listed}")
    for (token, pin), certificate in zip(TOKENS, (bench.auth_certificate, bench.sign_certificate), strict=True):
        login = ["p11tool", "--provider", MODULE, "--batch", "--login"]
        for more in (["--hash", "sha256"], ["--hash", "sha512"], ["--sign-params", "RSA-PSS", "--hash", "sha256"]):
            said = bench.sh(*login, "--test-sign", *more, uri(token, "private"), env={"GNUTLS_PIN": pin})
            bench.check(re.search(r"Verifying against public key in the token.*ok", said)
                        or re.search(r"erifying against .*ok", said), f"{token} {more}:\n{said}")
        said = bench.sh(*login, "--export", uri(token, "cert"), env={"GNUTLS_PIN": pin})
        exported = bench.file("exported.pem", said[said.index("-----BEGIN"):])
        same = [bench.sh("openssl", "x509", "-in", path, "-noout", "-fingerprint") for path in (exported, certificate)]
        bench.check(same[0] == same[1], f"another certificate came out of {token}")
    bench.row.always_authenticate = "yes / yes"
    bench.sh(*login, "--test-sign", uri(SIGN, "private"), env={"GNUTLS_PIN": PASSWORD, "JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"})


@case("p11-kit", "p11-kit", "`list-modules` with our module file; both tokens through p11-kit-proxy",
      version=lambda: package("p11-kit"), needs=["p11-kit", "pkcs11-tool"], mounts=True)
def p11_kit(bench: Bench) -> None:
    """The module file of pkcs11-test-config, as every GnuTLS program finds it."""
    bench.register_with_p11_kit()
    listed = bench.sh("p11-kit", "list-modules")
    # "jpki-pkcs11: /path" up to 0.24, "module: jpki-pkcs11" from 0.25 on.
    bench.check(re.search(r"^(module: )?jpki-pkcs11\b", listed, re.MULTILINE), f"list-modules does not name the module:\n{listed}")
    for words in (AUTH, SIGN):
        bench.check(words in listed, f"list-modules does not name {words}:\n{listed}")
    proxy = library("p11-kit-proxy.so")
    sign_through(bench, proxy)


@case("p11-kit-remote", "p11-kit server, ssh -R",
      "the card used from another network and mount namespace, without pcscd, over a socket that ssh forwards",
      version=lambda: package("p11-kit"), needs=["p11-kit", "pkcs11-tool", "unshare", "ip", "ssh", "/usr/sbin/sshd"],
      timeout=120, mounts=True)
def p11_kit_remote(bench: Bench) -> None:
    """As from a container or another machine: nothing but a socket reaches the other side."""
    # Short, and beside the bench: the name of a socket has 108 bytes.
    folder = pathlib.Path(os.environ["VIRTUAL_CARD_DIR"]) / "run"
    near, far = folder / "p11", folder / "far"
    bench.start("p11-kit", "server", "--foreground", "--name", near, "--provider", MODULE, "pkcs11:", name="server")
    wait_for(near.exists, "p11-kit server made no socket")
    bench.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bench.dir / "software_key")
    Sshd(bench, (bench.dir / "software_key.pub").read_text().strip()).forward(bench.dir / "software_key", far, near)
    wait_for(far.exists, "ssh forwards no socket")
    client = library("p11-kit-client.so")
    inside = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh",
              "env", "-u", "PCSCLITE_CSOCK_NAME", f"P11_KIT_SERVER_ADDRESS=unix:path={far}"]
    alone = bench.sh(*inside, "ip", "-o", "link").splitlines()
    bench.check(len(alone) == 1 and "lo" in alone[0] and "UP" not in alone[0].split("mtu")[0], f"the other side has a network: {alone}")
    sign_through(bench, client, inside)


def sign_through(bench: Bench, module: pathlib.Path, before: list[str] | None = None) -> None:
    """Signs with both keys through a library that passes calls on to ours."""
    document = bench.document()
    for (token, pin), certificate, number in zip(
            TOKENS, (bench.auth_certificate, bench.sign_certificate), ("01", "02"), strict=True):
        signature = bench.file("signature", "")
        bench.sh(*(before or []), "pkcs11-tool", "--module", module, "--token-label", token, "--login", "--pin", pin,
                 "--sign", "--id", number, "--mechanism", "SHA256-RSA-PKCS",
                 "--input-file", document, "--output-file", signature)
        bench.verify(signature, document, certificate)


def library(name: str) -> pathlib.Path:
    """A library of p11-kit."""
    folder = pathlib.Path("/usr/lib/x86_64-linux-gnu")
    for path in (folder / "pkcs11" / name, folder / name):
        if path.exists():
            return path
    return need(folder / name, name)
