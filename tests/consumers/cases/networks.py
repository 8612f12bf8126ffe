"""Networks that let in the card: Kerberos (PKINIT), strongSwan (IKEv2), NetworkManager with wpa_supplicant (802.1X). Standard library only. The servers are real and stand
on loopback or in namespaces."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable

from support.bench import MODULE, PIN, Bench, first_line, free_port, package, wait_for, wait_for_port
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
BUS = "unix:path=/run/bus"


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


class Manager:
    """NetworkManager's daemon and wpa_supplicant at this end of the wire, on a D-Bus of their own."""

    def __init__(self, bench: Bench, wire: Wire) -> None:
        self.bench, self.wire = bench, wire
        bench.file("nm/etc/NetworkManager.conf", "[main]\nplugins=keyfile\nno-auto-default=*\ndns=none\nhostname-mode=none\nauth-polkit=root-only\n")
        for name in ("etc/system-connections", "lib"):
            (bench.dir / "nm" / name).mkdir()
        bench.sh("mount", "-t", "tmpfs", "tmpfs", "/run")
        bench.sh("mount", "--bind", bench.dir / "nm/etc", "/etc/NetworkManager")
        bench.sh("mount", "--bind", bench.dir / "nm/lib", "/var/lib/NetworkManager")
        # That of this network. Where it is read-only, NetworkManager waits for no udev.
        bench.sh(*wire.here("mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys"))
        configuration = bench.file("bus.conf", f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
            "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
            <busconfig><type>system</type><listen>{BUS}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>""")
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": BUS}
        bench.start("dbus-daemon", "--nofork", f"--config-file={configuration}", name="bus")
        wait_for(pathlib.Path("/run/bus").exists, "no D-Bus")
        self.log = bench.start(*wire.here("NetworkManager", "--debug"), env=self.env, name="NetworkManager")
        self.start_supplicant()
        wait_for(lambda: self.nmcli("-t", "-f", "running", "general", ok=False).strip() == "running", "NetworkManager does not start")

    def start_supplicant(self) -> None:
        """NetworkManager waits for it."""
        self.bench.start(*self.wire.here("wpa_supplicant", "-u"), env=self.env, name="wpa_supplicant")

    def nmcli(self, *words: str | pathlib.Path, ok: bool = True) -> str:
        """What nmcli says."""
        return self.bench.sh(*self.wire.here("nmcli", *words), env=self.env, ok=ok)

    def is_up(self, pin: str, seconds: int) -> bool:
        """Does the connection come up, when nmcli passes this PIN on?"""
        self.nmcli("connection", "down", "card", ok=False)
        secrets = self.bench.file("secrets", f"802-1x.identity:me\n802-1x.private-key-password:{pin}\n")
        self.nmcli("--wait", str(seconds), "connection", "up", "card", "passwd-file", secrets, ok=False)
        return "GENERAL.STATE:activated" in self.nmcli("-t", "-f", "general.state", "connection", "show", "card")


@case("networkmanager", "NetworkManager", "the shipped 802.1X connection, brought up over a cable by the daemon with a PIN from nmcli; wrong PIN; card out and in",
      version=lambda: first_line("nmcli", "--version"), mounts=True, timeout=180,
      needs=["/usr/sbin/NetworkManager", "nmcli", "/usr/sbin/wpa_supplicant", "hostapd", "ip", "dbus-daemon"])
def networkmanager(bench: Bench) -> None:
    """hostapd is the switch."""
    certificate, key = server_certificate(bench.dir)
    bench.register_with_p11_kit()
    wire = Wire(bench)
    switch = bench.start(*wire.there("hostapd", "-dd", bench.file("switch.conf", "\n".join([
        "interface=there", "driver=wired", "ieee8021x=1", "eap_server=1", f"eap_user_file={bench.file('users', '* TLS')}", f"ca_cert={bench.auth_ca}",
        f"server_cert={certificate}", f"private_key={key}", "use_pae_group_addr=1", ""]))), name="switch")
    wait_for(lambda: "AP-ENABLED" in switch.read_text(errors="replace"), "hostapd did not start")
    manager = Manager(bench, wire)
    keyfile = bench.configuration("networkmanager/card.nmconnection", USER_NAME="me", CA_FILE=str(certificate))
    bench.file("nm/etc/system-connections/card.nmconnection", keyfile.read_text())
    manager.nmcli("connection", "reload")
    # No DHCP server stands at the other end.
    manager.nmcli("connection", "modify", "card", "connection.autoconnect", "no", "ipv4.method", "manual", "ipv4.addresses", f"{HERE}/24", "ipv6.method", "disabled")
    bench.check(not manager.is_up("9999", 15), "up with a wrong PIN")
    bench.check(bench.counters()["auth_tries"] == 2 and set(bench.logins()) == {"CKR_PIN_INCORRECT"}, f"{bench.counters()} {bench.logins()}")
    bench.check(manager.is_up(PIN, 40), f"not up: {manager.log.read_text(errors='replace')[-1500:]}")
    bench.check(f"CN={common_name(bench)}" in switch.read_text(errors="replace"), "hostapd saw another name")
    bench.check(HERE in bench.sh(*wire.here("ip", "address", "show", "here")), "no address")
    count = bench.counters()
    bench.check(count["auth_signatures"] == 1 and count["sign_verifies"] == 0, f"{count}")
    # wpa_supplicant is logged in, and takes any PIN.
    bench.check(manager.is_up("9999", 40) and len(bench.logins()) == bench.logins().index("CKR_OK") + 1, f"{bench.logins()}")
    bench.control("remove")
    time.sleep(1)
    bench.check(not manager.is_up(PIN, 10), "up without a card")
    lay_down(bench, "me")
    # The session of libp11 ended with the card.
    bench.stop_last()
    manager.start_supplicant()
    bench.check(manager.is_up(PIN, 40), f"not up again: {manager.log.read_text(errors='replace')[-1500:]}")
    bench.check(bench.counters()["auth_signatures"] == 3, f"{bench.counters()}")
