"""Libraries for programmers: pkcs11js and graphene-pk11 for Node, cryptoki for Rust. Standard library only here;
the small programs that use them are in tests/consumers/node and tests/consumers/rust."""

from __future__ import annotations

import json
import pathlib
import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, SIGN, TOOLS, Bench, need
from support.case import case

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
