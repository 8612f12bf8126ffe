"""Libraries for programmers: pkcs11js and graphene-pk11 for Node, cryptoki for Rust, miekg/pkcs11 and crypto11 for Go, libp11 and
p11-kit's URIs for C. Standard library only here; the small programs that use them are in tests/consumers/{node,rust,go,c}."""

from __future__ import annotations

import json
import pathlib
import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, TOOLS, Bench, need, package, uri
from support.case import case
from support.tls import Site, both_versions

HERE = pathlib.Path(__file__).resolve().parents[1]
NODE = TOOLS / "node/node_modules"
RUST = TOOLS / "rust/release/sign-with-cryptoki"
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}


def node_version(package: str) -> str:
    """Version of a package of Node."""
    path = NODE / package / "package.json"
    return json.loads(path.read_text())["version"] if path.exists() else ""


def crate_version() -> str:
    """Version of cryptoki that the program was built with."""
    found = re.search(r'name = "cryptoki"\nversion = "([^"]+)"', (HERE / "rust/Cargo.lock").read_text())
    return found.group(1) if found else ""


def sign_with(bench: Bench, *command: str | pathlib.Path, env: dict[str, str] | None = None) -> None:
    """Both keys, PKCS#1 and PSS in one login; with `auto` the application does the context login itself."""
    document, one, two = bench.document(), bench.dir / "one", bench.dir / "two.pss"
    for token, pin, certificate, more in (
            (AUTH, PIN, bench.auth_certificate, {}), (SIGN, PASSWORD, bench.sign_certificate, {"AGAIN": "1"}),
            (SIGN, PASSWORD, bench.sign_certificate, NO)):
        said = bench.sh(*command, MODULE, token, pin, document, one, two, env={**(env or {}), **more})
        bench.check(said.count("verified by the module: true") == 2, said)
        bench.verify(one, document, certificate)
        bench.verify(two, document, certificate, pss=True)
        one.unlink()
        two.unlink()
    bench.row.always_authenticate = "yes, with a context login of its own / yes"


def node(bench: Bench, library: str) -> None:
    """A library of Node."""
    need(NODE, "node_modules")
    sign_with(bench, "node", HERE / "node/sign.js", library, env={"NODE_PATH": str(NODE)})


@case("pkcs11js", "pkcs11js (Node)", "signs and verifies with both keys, PKCS#1 and PSS",
      version=lambda: node_version("pkcs11js"), needs=["node"])
def pkcs11js(bench: Bench) -> None:
    """The plain C functions."""
    node(bench, "pkcs11js")


@case("graphene", "graphene-pk11 (Node)", "signs in parts and verifies with both keys, PKCS#1 and PSS",
      version=lambda: node_version("graphene-pk11"), needs=["node"])
def graphene(bench: Bench) -> None:
    """Objects on top of pkcs11js."""
    node(bench, "graphene")


@case("rust-cryptoki", "cryptoki (Rust)", "signs in parts and verifies with both keys, PKCS#1 and PSS", version=crate_version)
def cryptoki(bench: Bench) -> None:
    """The crate of the Parallaxsecond project."""
    sign_with(bench, need(RUST, "sign-with-cryptoki"))


def go(bench: Bench, program: str) -> pathlib.Path:
    """Builds a program with Debian's Go libraries, which stand in one folder as Go had them before modules."""
    built = bench.dir / program
    env = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(TOOLS / "go-cache"), "GOFLAGS": ""}
    bench.sh("go", "build", "-o", built, HERE / "go" / program / "main.go", env=env, timeout=150)
    return built


@case("go-pkcs11", "miekg/pkcs11 (Go)", "signs and verifies with both keys, PKCS#1 and PSS",
      version=lambda: package("golang-github-miekg-pkcs11-dev"), needs=["go"], timeout=200)
def go_pkcs11(bench: Bench) -> None:
    """The plain C functions."""
    sign_with(bench, go(bench, "sign"))


@case("go-crypto11", "crypto11 (Go)", "GET with Go's own TLS and the authentication certificate",
      version=lambda: package("golang-github-thalesignite-crypto11-dev"), needs=["go"], timeout=200)
def go_crypto11(bench: Bench) -> None:
    """The card as a crypto.Signer."""
    program = go(bench, "visit")

    def visit(site: Site) -> str:
        return bench.sh(program, MODULE, AUTH, PIN, site.certificate, site.url)

    both_versions(bench, visit)


def compiled(bench: Bench, program: str, *packages: str) -> pathlib.Path:
    """A C program, built with the flags that these packages want."""
    flags = bench.sh("pkg-config", "--cflags", "--libs", *packages).split()
    built = bench.dir / program
    bench.sh("cc", "-Wall", "-Werror", "-o", built, HERE / "c" / f"{program}.c", *flags)
    return built


@case("libp11", "libp11 (C)", "signs with both keys by OpenSSL's EVP, PKCS#1; PSS by its engine alone",
      version=lambda: package("libp11-dev"), needs=["cc", "pkg-config"])
def libp11(bench: Bench) -> None:
    """What OpenSSL's engine is made of, used directly: its keys know no PSS (it asks for CKM_RSA_X_509 there)."""
    need("/usr/include/libp11.h", "libp11-dev")
    program, document = compiled(bench, "libp11", "libp11", "libcrypto"), bench.document()
    one, two = bench.dir / "one", bench.dir / "two"
    for token, pin, certificate in ((AUTH, PIN, bench.auth_certificate), (SIGN, PASSWORD, bench.sign_certificate)):
        bench.sh(program, MODULE, token, pin, document, one, two, env=NO)
        for signature in (one, two):
            bench.verify(signature, document, certificate)
            signature.unlink()
    said = bench.sh(program, MODULE, SIGN, PASSWORD, document, one, ok=False)
    bench.check("Enter PKCS#11 key PIN" in said and not one.exists(), said)
    bench.row.always_authenticate = "asks the user for each signature / yes"


@case("p11-kit-uri", "p11-kit URIs (C)", "finds token and key by a `pkcs11:` URI with p11-kit's functions, and signs",
      version=lambda: package("libp11-kit-dev"), needs=["cc", "pkg-config"])
def p11_kit_uri(bench: Bench) -> None:
    """How GNOME's and systemd's programs name a token."""
    need("/usr/include/p11-kit-1/p11-kit/uri.h", "libp11-kit-dev")
    program, document, out = compiled(bench, "p11_kit_uri", "p11-kit-1"), bench.document(), bench.dir / "signature"
    bench.sh(program, MODULE, uri(AUTH, "private"), PIN, document, out)
    bench.verify(out, document, bench.auth_certificate)
    said = bench.sh(program, MODULE, "pkcs11:manufacturer=nobody", PIN, document, out, ok=False)
    bench.check("names no token" in said, said)
