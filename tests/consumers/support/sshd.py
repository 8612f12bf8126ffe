"""An sshd of our own on a free port, and logins to it. Standard library only. It never touches the system's
sshd; as root it needs a mount namespace (`mounts`).
"""

from __future__ import annotations

import getpass
import os
import pathlib

from .bench import Bench, free_port, wait_for_port
from .case import Failed

USER = f"{getpass.getuser() if os.geteuid() else 'root'}@localhost"


class Sshd:
    """An sshd that lets one key in."""

    def __init__(self, bench: Bench, key: str) -> None:
        self.bench, self.port = bench, free_port()
        if os.geteuid() == 0:
            bench.sh("mount", "-t", "tmpfs", "tmpfs", "/run")
            os.mkdir("/run/sshd")
        bench.sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bench.dir / "host_key")
        keys = bench.file("authorized_keys", f'environment="LET_IN=yes" {key}\n')
        configuration = bench.file("sshd_config", "\n".join([
            f"Port {self.port}", "ListenAddress 127.0.0.1", f"HostKey {bench.dir}/host_key", f"AuthorizedKeysFile {keys}",
            "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password", "PermitUserEnvironment yes", "MaxAuthTries 2",
            f"PidFile {bench.dir}/sshd.pid", "LogLevel VERBOSE", ""]))
        self.log = bench.start("/usr/sbin/sshd", "-D", "-e", "-f", configuration, name="sshd")
        wait_for_port(self.port)
        known = bench.file("known_hosts", "localhost " + (bench.dir / "host_key.pub").read_text())
        self.options = ["-p", str(self.port), "-o", f"UserKnownHostsFile={known}", "-o", "HostKeyAlias=localhost",
                        "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=no"]

    def enter(self, *words: str, env: dict[str, str]) -> None:
        """Logs in and runs something there."""
        said = self.bench.sh("ssh", *words, *self.options, USER, "echo in: $LET_IN", env=env)
        if "in: yes" not in said:
            raise Failed(f"not let in:\n{said}\n{self.log.read_text(errors='replace')[-800:]}")

    def forward(self, key: pathlib.Path, there: pathlib.Path, here: pathlib.Path) -> None:
        """Makes a socket there that leads to the one here."""
        self.bench.start("ssh", "-F", "none", "-N", "-i", key, "-R", f"{there}:{here}", "-o", "BatchMode=yes",
                         "-o", "ExitOnForwardFailure=yes", *self.options, USER, name="ssh-forward")
