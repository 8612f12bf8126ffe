"""Networks that let in the card: Kerberos (PKINIT), strongSwan (IKEv2), NetworkManager with wpa_supplicant (802.1X). Standard library only. The servers are real and stand
on loopback or in namespaces."""

from __future__ import annotations

from support.bench import MODULE, PIN, Bench, free_port, package, wait_for_port
from support.case import case

from cases.servers import lay_down


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
    subject = bench.sh("openssl", "x509", "-in", bench.auth_certificate, "-noout", "-subject", "-nameopt", "RFC2253")
    name = subject.split("CN=")[1].split(",")[0].strip()
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
