"""The card in Flatpak, by the recipe of pkcs11-test-config/flatpak. Standard library only. Runtime and program are made here of Debian's
own files, so that nothing is downloaded."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil

from support.bench import AUTH, CONFIGURATIONS, MODULE, PIN, SHIPPED_MODULE, SIGN, Bench, package, wait_for
from support.case import case

from cases.pkcs11 import library

# The name of the program in the recipe.
NAME, RUNTIME = "org.mozilla.firefox", "org.example.Platform"


@case("flatpak", "Flatpak: pkcs11-tool", "by p11-kit server and the permission of our recipe: the authentication token, a signature; without the permission no token",
      version=lambda: package("flatpak"), needs=["flatpak", "p11-kit", "pkcs11-tool", "ldd"], mounts=True)
def flatpak(bench: Bench) -> None:
    """In the sandbox there are p11-kit's module and the socket of the server."""
    bench.sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    run = pathlib.Path(f"/run/user/{os.geteuid()}")
    (run / "jpki").mkdir(parents=True)
    bench.env["XDG_RUNTIME_DIR"] = str(run)
    client = library("p11-kit-client.so")
    install(bench, client)
    server = (CONFIGURATIONS / "flatpak/jpki-p11-kit.service").read_text()
    command = re.search(r"^ExecStart=(.*)", server, re.MULTILINE)[1]
    bench.start(*shlex.split(command.replace("%t", str(run)).replace("%%", "%").replace(SHIPPED_MODULE, str(MODULE))), name="server")
    wait_for((run / "jpki/pkcs11").exists, "p11-kit server made no socket")
    tool = ["pkcs11-tool", "--module", client]
    address = f"--env=P11_KIT_SERVER_ADDRESS=unix:path={run}/jpki/pkcs11"
    said = bench.sh("flatpak", "run", address, NAME, *tool, "--list-slots", ok=False)
    bench.check("Available slots" in said and "JPKI" not in said, f"without the permission: {said}")
    for hidden in (MODULE, os.environ["PCSCLITE_CSOCK_NAME"]):
        said = bench.sh("flatpak", "run", NAME, "ls", hidden, ok=False)
        bench.check("No such file" in said, f"not confined: {said}")
    recipe = re.search(r"^flatpak override .*", (CONFIGURATIONS / "flatpak/README.md").read_text(), re.MULTILINE)
    bench.sh("sh", "-c", recipe[0])
    said = bench.sh("flatpak", "run", NAME, *tool, "--list-slots")
    bench.check(AUTH in said and SIGN not in said, f"with the permission: {said}")
    document, signature = bench.document(), bench.file("signature", "")
    signing = ["--token-label", AUTH, "--login", "--pin", PIN, "--sign", "--id", "01", "--mechanism", "SHA256-RSA-PKCS"]
    shared = f"--filesystem={bench.dir}"
    bench.sh("flatpak", "run", shared, NAME, *tool, *signing, "--input-file", document, "--output-file", signature)
    bench.verify(signature, document, bench.auth_certificate)
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")


def install(bench: Bench, client: pathlib.Path) -> None:
    """A runtime that holds pkcs11-tool, what it needs, and p11-kit's module; a program that runs what it is told."""
    platform, program = bench.dir / "platform", bench.dir / "program"
    for folder in (platform / "files", platform / "usr", program / "files/bin", program / "export"):
        folder.mkdir(parents=True)
    for path in ("/bin/sh", "/bin/ls", "/sbin/ldconfig", "/usr/bin/pkcs11-tool", client):
        copy(bench, pathlib.Path(path), platform / "usr")
    bench.file("program/files/bin/any", '#!/bin/sh\nexec "$@"\n', 0o755)
    uses = f"runtime={RUNTIME}/x86_64/1\nsdk={RUNTIME}/x86_64/1\n"
    bench.file("platform/metadata", f"[Runtime]\nname={RUNTIME}\n{uses}")
    bench.file("program/metadata", f"[Application]\nname={NAME}\ncommand=any\n{uses}")
    repository = bench.dir / "repository"
    bench.sh("flatpak", "build-export", "--runtime", repository, platform, "1")
    bench.sh("flatpak", "build-export", repository, program, "1")
    bench.sh("flatpak", "--user", "remote-add", "--no-gpg-verify", "here", repository)
    bench.sh("flatpak", "--user", "install", "--noninteractive", "here", NAME)


def copy(bench: Bench, path: pathlib.Path, usr: pathlib.Path) -> None:
    """A program or library with the libraries that it needs. `/lib` and `/bin` are in `/usr` there."""
    there = usr / str(path).removeprefix("/usr").lstrip("/")
    if not there.exists():
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path.resolve(), there)
        for needed in re.findall(r"(/\S+\.so[.\d]*)", bench.sh("ldd", path, ok=False)):
            copy(bench, pathlib.Path(needed), usr)
