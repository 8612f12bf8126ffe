"""Java's own PKCS#11 provider, SunPKCS11: keytool, jarsigner, TLS, PSS, XML signatures. Standard library only.
The Java sources are in tests/consumers/java and are run as they are."""

from __future__ import annotations

import pathlib
import zipfile

from support.bench import PASSWORD, PIN, Bench, first_line
from support.case import case
from support.tls import Site, both_versions

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "java"
NO = {"JPKI_PKCS11_ALWAYS_AUTHENTICATE": "no"}


def version() -> str:
    """Version of Java."""
    return first_line("java", "-version", pattern=r'"([\d.]+)"')


def java(bench: Bench, source: str, *words: str | pathlib.Path, env: dict[str, str] | None = None, ok: bool = True) -> str:
    """Runs a source file."""
    return bench.sh("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", SOURCES / source, *words, env=env, ok=ok, timeout=90)


@case("java-tls", "Java SunPKCS11: HttpsURLConnection", "GET with the authentication certificate",
      version=version, needs=["java"], timeout=240)
def tls(bench: Bench) -> None:
    """Key manager and trust manager as applications make them."""
    configuration = bench.configuration("java/jpki-auth.cfg")

    def visit(site: Site) -> str:
        return java(bench, "Visit.java", configuration, PIN, site.certificate, site.version, site.url)

    both_versions(bench, visit)


@case("java-keytool", "keytool, jarsigner", "both tokens listed; a request; a JAR signed with the signature certificate and verified",
      version=version, needs=["keytool", "jarsigner"], timeout=240)
def keytool(bench: Bench) -> None:
    """The tools of the JDK."""
    auth, sign = bench.configuration("java/jpki-auth.cfg"), bench.configuration("java/jpki-sign.cfg")
    names = {}
    for configuration, pin in ((auth, PIN), (sign, PASSWORD)):
        said = bench.sh("keytool", "-list", *store(configuration, pin))
        entries = [line.split(",")[0] for line in said.splitlines() if "PrivateKeyEntry" in line]
        bench.check(len(entries) == 1, f"not one key entry:\n{said}")
        names[configuration] = entries[0]
    request = bench.dir / "request.pem"
    bench.sh("keytool", "-certreq", *store(auth, PIN), "-alias", names[auth], "-sigalg", "SHA256withRSA",
             "-file", request)
    said = bench.sh("openssl", "req", "-in", request, "-noout", "-verify", "-inform", "PEM")
    bench.check("verify OK" in said, said)
    for env in ({}, NO):
        archive = bench.dir / "program.jar"
        with zipfile.ZipFile(archive, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n\r\n")
            jar.writestr("document.txt", "委任状\n")
        bench.sh("jarsigner", *store(sign, PASSWORD), "-digestalg", "SHA-256", archive, names[sign], env=env)
        said = bench.sh("jarsigner", "-verify", "-verbose", "-certs", archive)
        bench.check("jar verified." in said, said)
        with zipfile.ZipFile(archive) as jar:
            block = next(name for name in jar.namelist() if name.endswith(".RSA"))
            covered = block.removesuffix("RSA") + "SF"
            bench.file("block.p7s", jar.read(block))
            bench.file("covered", jar.read(covered))
        said = bench.sh("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "block.p7s", "-content", "covered",
                        "-CAfile", bench.sign_ca, "-purpose", "any", "-out", "out")
        bench.check("uccessful" in said, said)
    bench.row.always_authenticate = "yes / yes"


def store(configuration: pathlib.Path, pin: str) -> list[str]:
    """The options of the JDK's tools for a token. The PIN comes from the environment or a file for people;
    here it is a test's."""
    return ["-storetype", "PKCS11", "-keystore", "NONE", "-storepass", pin, "-addprovider", "SunPKCS11",
            "-providerarg", str(configuration)]


@case("java-signature", "Java SunPKCS11: Signature", "SHA256/384/512withRSA and RSASSA-PSS; two signatures in one login with the signature key",
      version=version, needs=["java"], timeout=240)
def signature(bench: Bench) -> None:
    """Judged by OpenSSL."""
    auth, sign, document = bench.configuration("java/jpki-auth.cfg"), bench.configuration("java/jpki-sign.cfg"), bench.document()
    one, two = bench.dir / "one", bench.dir / "two"
    for algorithm, digest in (("SHA256withRSA", "sha256"), ("SHA384withRSA", "sha384"), ("SHA512withRSA", "sha512"), ("PSS", "sha256")):
        java(bench, "Sign.java", auth, PIN, algorithm, document, one)
        bench.verify(one, document, bench.auth_certificate, digest, pss=algorithm == "PSS")
    found = []
    for env in ({}, NO):
        for path in (one, two):
            path.unlink(missing_ok=True)
        java(bench, "Sign.java", sign, PASSWORD, "SHA256withRSA", document, one, two, env=env, ok=False)
        for path in (one, two):
            if path.exists():
                bench.verify(path, document, bench.sign_certificate)
        found.append((one.exists(), two.exists()))
    bench.check(found == 2 * [(True, True)], f"signatures with auto and no: {found}")
    bench.row.always_authenticate = "yes / yes"


@case("java-xml", "Java XMLSignature", "an XML document signed with the signature certificate, verified by xmlsec1",
      version=version, needs=["java", "xmlsec1"], timeout=120)
def xml(bench: Bench) -> None:
    """What xmlsec1 cannot do itself."""
    document = bench.file("document.xml", "<?xml version='1.0'?>\n<doc><Data>委任状</Data></doc>\n")
    signed = bench.dir / "signed.xml"
    java(bench, "SignXml.java", bench.configuration("java/jpki-sign.cfg"), PASSWORD, document, signed)
    said = bench.sh("xmlsec1", "--verify", "--trusted-pem", bench.sign_ca, signed)
    bench.check("OK" in said, said)
    bench.row.always_authenticate = "yes / yes"
    java(bench, "SignXml.java", bench.configuration("java/jpki-sign.cfg"), PASSWORD, document, signed, env=NO)
