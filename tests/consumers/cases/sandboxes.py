"""Firefox and pkcs11-tool in Flatpak, by the recipe of pkcs11-test-config/flatpak. Standard library only. Runtime and program are made here
of Debian's own files, so that nothing is downloaded."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import shutil

from browser_card import add_module
from browser_firefox import Browser, environment
from firefox import FirefoxDesk, log_in, modules
from support.bench import AUTH, CONFIGURATIONS, MODULE, PIN, SHIPPED_MODULE, SIGN, Bench, package, wait_for
from support.case import case
from support.tls import mark

from cases.pkcs11 import library

# The name of the program in the recipe.
NAME, RUNTIME = "org.mozilla.firefox", "org.example.Platform"
FIREFOX = pathlib.Path("/usr/lib/firefox-esr")


@case("flatpak", "Flatpak: pkcs11-tool, Firefox ESR",
      "by p11-kit server and the permission of our recipe: the authentication token alone; a signature; logins; without the permission no token",
      version=lambda: package("flatpak"), needs=["flatpak", "p11-kit", "pkcs11-tool", "ldd", "firefox-esr", "certutil", "modutil", "openssl"],
      mounts=True, timeout=180)
def flatpak(bench: Bench) -> None:
    """In the sandbox there are p11-kit's module and the socket of the server."""
    bench.sh("mount", "-t", "tmpfs", "tmpfs", "/run")
    run = pathlib.Path(f"/run/user/{os.geteuid()}")
    (run / "jpki").mkdir(parents=True)
    bench.env["XDG_RUNTIME_DIR"] = str(run)
    client = library("p11-kit-client.so")
    install(bench, client)
    service = (CONFIGURATIONS / "flatpak/jpki-p11-kit.service").read_text()
    command = re.search(r"^ExecStart=(.*)", service, re.MULTILINE)[1]
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
    bench.sh("flatpak", "run", f"--filesystem={bench.dir}", NAME, *tool, *signing, "--input-file", document, "--output-file", signature)
    bench.verify(signature, document, bench.auth_certificate)
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")
    browse(bench, run, client)


def browse(bench: Bench, run: pathlib.Path, client: pathlib.Path) -> None:
    """Firefox with p11-kit's module, in the same sandbox. Its own files come in as a folder: a runtime that holds them takes a minute to pack."""
    folder, place = bench.dir / "desk", bench.dir / "firefox"
    for path in (folder, place):
        path.mkdir()
    bench.sh("mount", "--bind", FIREFOX, place)
    desk = FirefoxDesk(folder)
    profile = desk.profile("flatpak")
    add_module(profile, client)
    browser = Browser(["flatpak", "run", f"--filesystem={profile}", f"--filesystem={place}:ro", "--share=network", NAME, str(place / "firefox-esr")],
                      profile, environment(bench.home, XDG_RUNTIME_DIR=str(run)), folder / "firefox.log")
    try:
        tokens = [token for one in modules(browser) if one[1] == str(client) for _, token in one[2] if token]
        bench.check(tokens == [AUTH], f"Firefox sees {tokens}")
        for version, pins in (("1.3", [PIN]), ("1.2", [])):
            asked = log_in(desk, browser, desk.site(version), pins)
            bench.check(asked == [AUTH] * len(pins), f"PIN dialogs: {asked}")
            mark(bench, version, "yes")
    finally:
        browser.quit()
        desk.close()


def install(bench: Bench, client: pathlib.Path) -> None:
    """A runtime with pkcs11-tool, p11-kit's module, the libraries that they and Firefox need, and a font; a program that runs what it is told."""
    platform, program = bench.dir / "platform", bench.dir / "program"
    for folder in (platform / "files", platform / "usr", program / "files/bin", program / "export"):
        folder.mkdir(parents=True)
    wanted = [*map(pathlib.Path, ("/bin/sh", "/bin/ls", "/sbin/ldconfig", "/usr/bin/pkcs11-tool")), client]
    # All that is below them too; ldconfig has nothing, which ldd calls an error.
    needed = re.findall(r"(/\S+\.so[.\d]*)", bench.sh("ldd", *wanted, *FIREFOX.glob("*.so"), FIREFOX / "firefox-esr", ok=False))
    for path in {*wanted, *map(pathlib.Path, needed)}:
        if not path.is_relative_to(FIREFOX):
            # /lib and /bin are in /usr there.
            there = platform / "usr" / str(path).removeprefix("/usr").lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path.resolve(), there)
    shutil.copytree("/etc/fonts", platform / "usr/etc/fonts")
    shutil.copytree("/usr/share/fonts/truetype/dejavu", platform / "usr/share/fonts/truetype/dejavu")
    bench.file("program/files/bin/any", '#!/bin/sh\nexec "$@"\n', 0o755)
    uses = f"runtime={RUNTIME}/x86_64/1\nsdk={RUNTIME}/x86_64/1\n"
    bench.file("platform/metadata", f"[Runtime]\nname={RUNTIME}\n{uses}")
    bench.file("program/metadata", f"[Application]\nname={NAME}\ncommand=any\n{uses}")
    repository = bench.dir / "repository"
    bench.sh("flatpak", "build-export", "--runtime", repository, platform, "1")
    bench.sh("flatpak", "build-export", repository, program, "1")
    bench.sh("flatpak", "--user", "remote-add", "--no-gpg-verify", "here", repository)
    bench.sh("flatpak", "--user", "install", "--noninteractive", "here", NAME)
