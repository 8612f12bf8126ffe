"""Networks that let in the card: Kerberos (PKINIT), strongSwan (IKEv2), NetworkManager with wpa_supplicant (802.1X). Standard library only. The servers are real and stand
on loopback or in namespaces."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

from support.bench import AUTH, MODULE, PIN, Bench, first_line, free_port, package, uri, wait_for, wait_for_port
from support.case import case
from support.tls import server_certificate

from cases.servers import common_name, lay_down


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


HERE, THERE = "10.99.0.1", "10.99.0.2"


class Wire:
    """Two network namespaces with a cable between them. They end with the case."""

    def __init__(self, bench: Bench) -> None:
        self.names: dict[str, str] = {}
        for end in ("here", "there"):
            ready = bench.dir / f"{end}.pid"
            bench.start("unshare", "--net", "sh", "-c", f"ip link set lo up; echo $$ > {ready}; exec sleep 600", name=f"net-{end}")
            wait_for(lambda path=ready: path.exists() and path.read_text().strip(), "no network namespace")
            self.names[end] = ready.read_text().strip()
        bench.sh(*self.here("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", self.names["there"]))
        for end, address in (("here", f"{HERE}/24"), ("there", f"{THERE}/24")):
            bench.sh(*self._enter(end), "ip", "addr", "add", address, "dev", end)
            bench.sh(*self._enter(end), "ip", "link", "set", end, "up")

    def _enter(self, end: str) -> list[str]:
        return ["nsenter", "--net", "-t", self.names[end]]

    def here(self, *words: str | pathlib.Path) -> list[str | pathlib.Path]:
        """The command at this end."""
        return [*self._enter("here"), *words]

    def there(self, *words: str | pathlib.Path) -> list[str | pathlib.Path]:
        """The command at the other end."""
        return [*self._enter("there"), *words]


class Swan:
    """strongSwan's daemon at one end of the wire, and swanctl to speak to it."""

    def __init__(self, bench: Bench, name: str, at: Callable[..., list[str | pathlib.Path]], plugins: str = "") -> None:
        self.bench, self.name, self.at = bench, name, at
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
        self.log = bench.start(*at("charon-systemd"), env=self.env, name=f"{name}-log")
        wait_for((self.folder / "vici").exists, f"the {name} does not start")

    def load(self, connections: str, **files: str) -> None:
        """Connections, certificates and keys."""
        self.bench.file(f"{self.name}/swanctl.conf", connections)
        for name, pem in files.items():
            self.bench.file(f"{self.name}/{name.replace('__', '/')}.pem", pem)
        self.swanctl("--load-all")

    def swanctl(self, *words: str, ok: bool = True) -> str:
        """What swanctl says."""
        return self.bench.sh(*self.at("swanctl", *words, "--uri", self.uri), env=self.env, ok=ok)


@case("strongswan", "strongSwan (IKEv2)", "a tunnel by the authentication certificate; the gateway knows the card by its subject; another card is refused; a wrong PIN in its file",
      version=lambda: package("strongswan-swanctl"), mounts=True, timeout=120, card=["--card", "me=plastic", "--card", "other=plastic"],
      needs=["/usr/sbin/charon-systemd", "/usr/sbin/swanctl", "ip"])
def strongswan(bench: Bench) -> None:
    """Gateway and traveller, each in a namespace."""
    wire = Wire(bench)
    certificate, key = server_certificate(bench.dir)
    subject = f"C=JP, CN={common_name(bench)}"
    gateway = Swan(bench, "gateway", wire.there, "pkcs11 { load = no }")
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
    traveller = Swan(bench, "traveller", wire.here, plugin)
    traveller.load(bench.configuration("strongswan/swanctl.conf", GATEWAY_ADDRESS=THERE, _PIN_=PIN).read_text(), x509ca__gateway=certificate.read_text())
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


@case("networkmanager", "NetworkManager (nmcli), wpa_supplicant -D wired", "the keyfile of an 802.1X connection, read by nmcli; a wired login with what it read",
      version=lambda: first_line("nmcli", "--version"), needs=["nmcli", "/usr/sbin/wpa_supplicant", "hostapd", "ip"], mounts=True)
def networkmanager(bench: Bench) -> None:
    """nmcli offline, and the program that the daemon would drive: the daemon wants D-Bus."""
    keyfile = bench.configuration("networkmanager/card.nmconnection", USER_NAME="me", CA_FILE=str(bench.auth_ca))
    out = bench.sh("nmcli", "--offline", "connection", "modify", "connection.autoconnect", "no", stdin=keyfile.read_text())
    for line in ("eap=tls;", f"client-cert={uri(AUTH, 'cert')}", f"private-key={uri(AUTH, 'private')}", "private-key-password-flags=1"):
        bench.check(line in out.splitlines(), f"nmcli does not keep {line}:\n{out}")
    wired_login(bench, dict(line.split("=", 1) for line in out.splitlines() if "=" in line))


def wired_login(bench: Bench, value: dict[str, str]) -> None:
    """EAP-TLS over a cable to hostapd as the switch."""
    certificate, key = server_certificate(bench.dir)
    # Debian's wpa_supplicant loads modules out of /usr/lib only.
    network = bench.file("wired.conf", "\n".join([
        "ap_scan=0", "pkcs11_engine_path=/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so", f"pkcs11_module_path={bench.install()}",
        "network={", "key_mgmt=IEEE8021X", "eap=TLS", "eapol_flags=0", f'identity="{value["identity"]}"',
        f'ca_cert="{certificate}"', "engine=1", 'engine_id="pkcs11"', f'cert_id="{value["client-cert"]}"',
        f'key_id="{value["private-key"]}"', f'pin="{PIN}"', "}", ""]))
    wire = Wire(bench)
    switch = bench.start(*wire.there("hostapd", "-dd", bench.file("switch.conf", "\n".join([
        "interface=there", "driver=wired", "ieee8021x=1", "eap_server=1", f"eap_user_file={bench.file('users', '* TLS')}", f"ca_cert={bench.auth_ca}",
        f"server_cert={certificate}", f"private_key={key}", "use_pae_group_addr=1", ""]))), name="switch")
    wait_for(lambda: "AP-ENABLED" in switch.read_text(errors="replace"), "hostapd did not start")
    client = bench.start(*wire.here("wpa_supplicant", "-D", "wired", "-i", "here", "-c", network, "-d"), name="wpa_supplicant")
    wait_for(lambda: "CTRL-EVENT-EAP-SUCCESS" in client.read_text(errors="replace"), "wpa_supplicant was not let in", 20)
    bench.check(f"CN={common_name(bench)}" in switch.read_text(errors="replace"), "hostapd saw another name")
    count = bench.counters()
    bench.check(count["auth_signatures"] >= 1 and count["sign_verifies"] == 0, f"{count}")
