"""OpenSSH and what rides on it: ssh-keygen -D, ssh -I to an sshd of our own, ssh-agent, git. Standard library
only. The PIN is given to a question that names the authentication token, never to another."""

from __future__ import annotations

import os
import re

from support.bench import AUTH, MODULE, PASSWORD, PIN, Bench, first_line, wait_for
from support.case import case
from support.sshd import Sshd


def openssh() -> str:
    """Version of ssh."""
    return first_line("ssh", "-V", pattern=r"OpenSSH_(\S+)")


def askpass(bench: Bench, answers: dict[str, str]) -> dict[str, str]:
    """An environment in which questions that contain a word get its answer. All are written down."""
    cases = "\n".join(f"*'{word}'*) echo '{answer}' ;;" for word, answer in answers.items())
    script = bench.file("askpass", f"#!/bin/sh\necho \"$1\" >> {bench.dir}/asked\ncase $1 in\n{cases}\n*) exit 1 ;;\nesac\n", 0o700)
    return {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":9"}


def asked(bench: Bench) -> list[str]:
    """The questions so far."""
    path = bench.dir / "asked"
    return path.read_text().splitlines() if path.exists() else []


def card_key(bench: Bench, certificate: str = "me-auth.pem") -> str:
    """The public key of the card as OpenSSH writes it, made without the module."""
    pem = bench.file("key.pem", bench.sh("openssl", "x509", "-in", bench.certificates / certificate, "-noout", "-pubkey"))
    return " ".join(bench.sh("ssh-keygen", "-i", "-m", "PKCS8", "-f", pem).split()[:2])


@case("ssh", "ssh", "`ssh-keygen -D`; `ssh -I` and `PKCS11Provider` logins to an sshd that allows two tries",
      version=openssh, needs=["ssh", "ssh-keygen", "/usr/sbin/sshd"], mounts=True)
def ssh(bench: Bench) -> None:
    """One PIN question for each login, for the authentication token."""
    key = card_key(bench)
    shown = [" ".join(line.split()[:2]) for line in bench.sh("ssh-keygen", "-D", MODULE).splitlines() if line.startswith("ssh-")]
    bench.check(shown == [key], f"ssh-keygen -D shows {len(shown)} keys, wanted the card's one:\n{shown}")
    server, env = Sshd(bench, key), askpass(bench, {AUTH: PIN})
    server.enter("-F", "none", "-I", str(MODULE), env=env)
    bench.check(len(asked(bench)) == 1, f"questions: {asked(bench)}")
    server.enter("-F", str(bench.configuration("openssh/config", SERVER_NAME="localhost")), env=env)
    bench.check(len(asked(bench)) == 2, f"questions: {asked(bench)}")
    bench.check(bench.counters()["sign_verifies"] == 0, "the signature token was asked")


@case("ssh-agent", "ssh-agent, ssh-add -s", "the agent gets one PIN for both tokens and loses no try; login; git commit signed and verified",
      version=openssh, needs=["ssh", "ssh-agent", "ssh-add", "git", "/usr/sbin/sshd"], mounts=True)
def ssh_agent(bench: Bench) -> None:
    """The 4-digit PIN goes to C_Login of both tokens: the signature token refuses its shape, unsent."""
    key = card_key(bench)
    server, env = Sshd(bench, key), agent(bench, askpass(bench, {"PKCS#11": PIN}))
    bench.sh("ssh-add", "-s", MODULE, env=env)
    listed = [" ".join(line.split()[:2]) for line in bench.sh("ssh-add", "-L", env=env).splitlines()]
    bench.check(listed == [key], f"the agent has other keys: {listed}")
    count = bench.counters()
    bench.check(count["sign_verifies"] == 0 and count["sign_tries"] == 5, f"the PIN went to the signature token: {count}")
    before = count["auth_signatures"]
    server.enter("-F", "none", env=env)
    bench.check(bench.counters()["auth_signatures"] == before + 1, "the login made no signature")
    sign_commits(bench, key, env)
    bench.check(len(asked(bench)) == 1, f"questions: {asked(bench)}")
    bench.sh("ssh-add", "-e", MODULE, env=env)
    bench.check("no identities" in bench.sh("ssh-add", "-L", env=env, ok=False), "the key stayed in the agent")
    bench.refused_only("CKR_PIN_INCORRECT", "CKR_PIN_LEN_RANGE")
    signature_key(bench)
    bench.row.always_authenticate = "yes / yes"


def agent(bench: Bench, env: dict[str, str], name: str = "agent") -> dict[str, str]:
    """An agent that may load our module."""
    # Short: the name of a socket has 108 bytes.
    place = f"{os.environ['VIRTUAL_CARD_DIR']}/run/{name}"
    bench.start("ssh-agent", "-D", "-a", place, "-P", "/*", name=name, env=env)
    wait_for(lambda: os.path.exists(place), "no ssh-agent")
    return {**env, "SSH_AUTH_SOCK": place}


def sign_commits(bench: Bench, key: str, env: dict[str, str]) -> None:
    """Two commits with the card, judged by git with the public key alone."""
    public = bench.file("card.pub", key + "\n")
    signers = bench.file("signers", f"me@example.com {key}\n")
    repository = bench.dir / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "gpg.format=ssh",
           "-c", f"user.signingKey={public}", "-c", f"gpg.ssh.allowedSignersFile={signers}"]
    bench.sh("git", "init", "-q", repository)
    for message in ("one", "two"):
        bench.sh(*git, "commit", "-q", "--allow-empty", "-S", "-m", message, env=env)
        said = bench.sh(*git, "verify-commit", "HEAD", env={"SSH_AUTH_SOCK": ""})
        bench.check(re.search(r'Good "git" signature for me@example.com with RSA key', said), said)


def signature_key(bench: Bench) -> None:
    """The agent with the password of the signature token, in both settings, makes two signatures."""
    key = card_key(bench, "me-sign.pem")
    public = bench.file("sign.pub", key + "\n")
    for setting in ("auto", "no"):
        env = agent(bench, {**askpass(bench, {"PKCS#11": PASSWORD}), "JPKI_PKCS11_ALWAYS_AUTHENTICATE": setting}, f"agent-{setting}")
        bench.sh("ssh-add", "-s", MODULE, env=env)
        bench.check(key in bench.sh("ssh-add", "-L", env=env), "the signature key is not in the agent")
        before = bench.counters()["sign_signatures"]
        for _ in range(2):
            bench.sh("ssh-add", "-T", public, env=env, ok=False)
        made = bench.counters()["sign_signatures"] - before
        bench.check(made == 2, f"with `{setting}` the agent made {made} of 2 signatures")
