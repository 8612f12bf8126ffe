"""Networks that let in the card: Kerberos (PKINIT), strongSwan (IKEv2), NetworkManager with wpa_supplicant (802.1X). Standard library only. The servers are real and stand
on loopback or in namespaces."""

from __future__ import annotations

import os

from support.bench import AUTH, MODULE, PIN, Bench, first_line, free_port, package, uri, wait_for, wait_for_port
from support.case import case
from support.tls import server_certificate

from cases.servers import lay_down


def common_name(bench: Bench) -> str:
    """What the card's certificate calls its holder: a number."""
    subject = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    return subject.split("CN=")[1].split(",")[0].strip()


@case("kinit", "Kerberos (kinit, PKINIT)", "a ticket by the authentication certificate; wrong PIN; another card is refused",
      version=lambda: package("krb5-user"), needs=["/usr/bin/kinit", "/usr/sbin/krb5kdc", "/usr/sbin/kadmin.local"],
      card=["--card", "me=plastic", "--card", "other=plastic"])
def kinit(bench: Bench) -> None:
    """A KDC of our own that knows the card by its subject."""
    port, folder = free_port(), bench.dir / "kdc"
    folder.mkdir()
    certificate, key = bench.dir / "kdc.pem", bench.dir / "kdc.key"
    bench.sh("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyCertSign", "-keyout", key, "-out", certificate)
    client = bench.configuration("kerberos/krb5.conf", KDC_PORT=str(port), KDC_CA_FILE=str(certificate), CARD_CA_FILE=str(bench.auth_ca))
    server = bench.configuration("kerberos/kdc.conf", KDC_PORT=str(port), KDC_FOLDER=str(folder), SERVER_CERTIFICATE=str(certificate),
                                 SERVER_KEY=str(key), CA_FILE=str(bench.auth_ca))
    env = {"KRB5_CONFIG": str(client), "KRB5_KDC_PROFILE": str(server), "KRB5CCNAME": f"FILE:{bench.dir}/ticket", "KRB5_TRACE": str(bench.dir / "krb5.trace")}
    name = common_name(bench)
    bench.sh("kdb5_util", "create", "-s", "-r", "EXAMPLE.TEST", "-P", "master", env=env)
    for words in ("addprinc -randkey holder", "modprinc +requires_preauth holder", f"set_string holder pkinit_cert_match <SUBJECT>CN={name}"):
        bench.sh("kadmin.local", "-r", "EXAMPLE.TEST", "-q", words, env=env)
    bench.start("/usr/sbin/krb5kdc", "-n", "-r", "EXAMPLE.TEST", env=env, name="krb5kdc")
    wait_for_port(port)
    said = bench.sh("kinit", "holder@EXAMPLE.TEST", stdin=f"{PIN}\n", env=env)
    bench.check("holder@EXAMPLE.TEST" in bench.sh("klist", env=env), said)
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")

    def fails(words: str, *options: str, stdin: str = f"{PIN}\n") -> None:
        """No ticket, and what kinit says."""
        bench.sh("kdestroy", env=env, ok=False)
        said = bench.sh("kinit", *options, "holder@EXAMPLE.TEST", stdin=stdin, env=env, ok=False)
        bench.check(words in said and "holder" not in bench.sh("klist", env=env, ok=False), said)

    fails("initial credentials", stdin="9999\n")
    left = bench.counters()["auth_tries"]
    bench.check(left == 2, f"{left} tries left: kinit asks once")
    # It wants exactly one certificate: the module shows kinit no others.
    bench.sh("kdestroy", env=env, ok=False)
    bench.sh("kinit", "-X", f"X509_user_identity=PKCS11:module_name={MODULE}", "holder@EXAMPLE.TEST", stdin=f"{PIN}\n", env=env)
    lay_down(bench, "other")
    fails("initial credentials")


GATEWAY, TRAVELLER = "10.77.0.1", "10.77.0.2"


class Swan:
    """strongSwan's daemon in a network namespace of its own, and swanctl to speak to it."""

    def __init__(self, bench: Bench, name: str, namespace: str, plugins: str = "") -> None:
        self.bench, self.name, self.namespace = bench, name, namespace
        self.folder = bench.dir / name
        for part in ("conf", "x509", "x509ca", "private"):
            (self.folder / part).mkdir(parents=True)
        self.uri = f"unix://{self.folder}/vici"
        settings = bench.file(f"{name}/strongswan.conf", f"""charon-systemd {{
            load_modular = yes
            plugins {{
                include /etc/strongswan.d/charon/*.conf
                {plugins}
                bypass-lan {{ load = no }}
                resolve {{ load = no }}
                vici {{ socket = {self.uri} }}
            }}
            journal {{ default = -1 }}
            filelog {{ stderr {{ default = 1 }} }}
        }}
        """)
        self.env = {"STRONGSWAN_CONF": str(settings), "SWANCTL_DIR": str(self.folder)}
        self.log = bench.start("ip", "netns", "exec", namespace, "charon-systemd", env=self.env, name=f"{name}-log")
        wait_for((self.folder / "vici").exists, f"the {name} does not start")

    def load(self, connections: str, **files: str) -> None:
        """Connections, certificates and keys."""
        self.bench.file(f"{self.name}/swanctl.conf", connections)
        for name, pem in files.items():
            self.bench.file(f"{self.name}/{name.replace('__', '/')}.pem", pem)
        self.swanctl("--load-all")

    def swanctl(self, *words: str, ok: bool = True) -> str:
        """What swanctl says."""
        return self.bench.sh("ip", "netns", "exec", self.namespace, "swanctl", *words, "--uri", self.uri, env=self.env, ok=ok)


@case("strongswan", "strongSwan (IKEv2)", "a tunnel by the authentication certificate; the gateway knows the card by its subject; another card is refused; a wrong PIN in its file",
      version=lambda: package("strongswan-swanctl"), mounts=True, timeout=120, card=["--card", "me=plastic", "--card", "other=plastic"],
      needs=["/usr/sbin/charon-systemd", "/usr/sbin/swanctl", "ip"])
def strongswan(bench: Bench) -> None:
    """Gateway and traveller, each in a namespace."""
    names = [f"jpki-{role}-{os.getpid()}" for role in ("gateway", "traveller")]
    try:
        for name in names:
            bench.sh("ip", "netns", "add", name)
        bench.sh("ip", "link", "add", "veth0", "netns", names[0], "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for name, address in zip(names, (GATEWAY, TRAVELLER), strict=True):
            for words in (["addr", "add", f"{address}/24", "dev", "veth0"], ["link", "set", "veth0", "up"], ["link", "set", "lo", "up"]):
                bench.sh("ip", "-n", name, *words)
        tunnel(bench, *names)
    finally:
        bench.close()
        for name in names:
            bench.sh("ip", "netns", "del", name, ok=False)


def tunnel(bench: Bench, gateway_namespace: str, traveller_namespace: str) -> None:
    """The card comes in, and no other."""
    certificate, key = server_certificate(bench.dir)
    subject = f"C=JP, CN={common_name(bench)}"
    gateway = Swan(bench, "gateway", gateway_namespace, "pkcs11 { load = no }")
    gateway.load(f"""connections {{ cards {{
        version = 2
        pools = rooms
        local {{ auth = pubkey
                 certs = server.pem
                 id = localhost }}
        remote {{ auth = pubkey
                  id = "{subject}"
                  cacerts = cards.pem }}
        children {{ cards {{ local_ts = 0.0.0.0/0
                            # Not every kernel has the newer ones.
                            esp_proposals = aes128-sha256 }} }}
    }} }}
    pools {{ rooms {{ addrs = 10.78.0.0/24 }} }}
    """, x509__server=certificate.read_text(), x509ca__cards=bench.auth_ca.read_text(), private__server=key.read_text())
    plugin = bench.configuration("strongswan/pkcs11.conf").read_text()
    traveller = Swan(bench, "traveller", traveller_namespace, plugin)
    traveller.load(bench.configuration("strongswan/swanctl.conf", GATEWAY_ADDRESS=GATEWAY, _PIN_=PIN).read_text(), x509ca__gateway=certificate.read_text())
    said = traveller.swanctl("--initiate", "--child", "work", ok=False)
    seen = gateway.log.read_text()
    bench.check(f"[C=JP, CN={common_name(bench)}]" in seen and "established between" in seen, f"{said}\n{seen[-1500:]}")
    # Not every kernel takes what strongSwan 6 wants to install; the login is over by then.
    if "unable to add SAD entry" not in seen:
        bench.check("established" in traveller.swanctl("--list-sas").lower(), f"{said}\n{traveller.log.read_text()[-1500:]}")
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")
    traveller.swanctl("--terminate", "--ike", "work", ok=False)
    lay_down(bench, "other")
    traveller.swanctl("--load-all", "--clear")
    before = gateway.log.read_text().count("established between")
    said = traveller.swanctl("--initiate", "--child", "work", "--timeout", "10", ok=False)
    bench.check(gateway.log.read_text().count("established between") == before, f"another card came in: {said}")
    # A wrong PIN in the file is sent once each time that the file is loaded, and then every other PIN that the daemon was given before.
    (traveller.folder / "swanctl.conf").write_text((traveller.folder / "swanctl.conf").read_text().replace(PIN, "9999"))
    traveller.swanctl("--load-all", "--clear", ok=False)
    bench.check(bench.logins().count("CKR_PIN_INCORRECT") == 1, f"{bench.logins()}")
    lay_down(bench, "me")


@case("networkmanager", "NetworkManager (nmcli)", "the keyfile of an 802.1X connection, read and written again; wpa_supplicant has a row of its own",
      version=lambda: first_line("nmcli", "--version"), needs=["nmcli", "p11tool"])
def networkmanager(bench: Bench) -> None:
    """Offline: the daemon wants D-Bus and a network card."""
    keyfile = bench.configuration("networkmanager/card.nmconnection", USER_NAME="me", CA_FILE=str(bench.auth_ca))
    out = bench.sh("nmcli", "--offline", "connection", "modify", "connection.autoconnect", "no", stdin=keyfile.read_text())
    for line in ("eap=tls;", f"client-cert={uri(AUTH, 'cert')}", f"private-key={uri(AUTH, 'private')}", "private-key-password-flags=1"):
        bench.check(line in out.splitlines(), f"nmcli does not keep {line}:\n{out}")
    # Its URIs name one certificate and one key of the card.
    for kind in ("cert", "private"):
        listed = bench.sh("p11tool", "--provider", MODULE, "--login", "--set-pin", PIN, "--list-all", uri(AUTH, kind))
        bench.check(listed.count("URL:") == 1, listed)
