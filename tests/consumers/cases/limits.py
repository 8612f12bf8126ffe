"""What the card cannot do, tried, so that the table says it and tells when it changes: TLS 1.3 with a server
that takes SHA-384 alone, decryption. Standard library only. It never passes: it is skipped with the reason."""

from __future__ import annotations

from support.bench import AUTH, MODULE, PIN, Bench, first_line, free_port, uri, wait_for_port
from support.case import Failed, Skipped, case
from support.tls import mark, server_certificate

from .openssl import ENGINE, engine_env


@case("tls13-sha384-only", "curl at a server that allows no SHA-256", "TLS 1.3 with `rsa_pss_rsae_sha384` alone; the way around by TLS 1.2",
      version=lambda: first_line("curl", "--version"), needs=["curl", "openssl"])
def sha384_only(bench: Bench) -> None:
    """The card pads RSA-PSS itself, with SHA-256 and no other hash."""
    if not ENGINE.exists():
        raise Skipped("not installed: libengine-pkcs11-openssl")
    certificate, key = server_certificate(bench.dir)
    port, env = free_port(), engine_env(bench)
    log = bench.start("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key, "-www",
                      "-CAfile", bench.auth_ca, "-Verify", "3", "-verify_return_error",
                      "-client_sigalgs", "RSA-PSS+SHA384:RSA+SHA384")
    wait_for_port(port)
    words = ["curl", "--silent", "--show-error", "--cacert", certificate, "--engine", "pkcs11", "--cert", uri(AUTH, "cert", PIN),
             "--key", uri(AUTH, "private", PIN), f"https://localhost:{port}/"]
    said = bench.sh(*words, "--tlsv1.3", env=env, ok=False)
    if "Ciphers supported" in said:
        mark(bench, "1.3", "yes")
        return
    mark(bench, "1.3", "no")
    # In TLS 1.2 the server may take the old padding with any hash, which the caller makes.
    said = bench.sh("openssl", "s_client", "-connect", f"localhost:{port}", "-tls1_2", "-engine", "pkcs11", "-keyform", "engine",
                    "-cert", bench.auth_certificate, "-key", uri(AUTH, "private", PIN), "-CAfile", certificate,
                    "-sigalgs", "RSA+SHA384:RSA+SHA256:RSA-PSS+SHA256", "-ign_eof", env=env, stdin="GET / HTTP/1.0\r\n\r\n", ok=False)
    if "Ciphers supported" not in said or bench.counters()["auth_signatures"] == 0:
        raise Failed(f"TLS 1.2 with RSA+SHA384:\n{said}\n{log.read_text(errors='replace')}")
    mark(bench, "1.2", "yes")
    raise Skipped("the card makes RSA-PSS with SHA-256 alone; let the server take rsa_pss_rsae_sha256, or use TLS 1.2 with RSA+SHA384")


@case("decrypt", "pkcs11-tool, openssl cms", "`--decrypt`; `cms -decrypt` of a message to the authentication certificate",
      version=lambda: first_line("openssl", "version"), needs=["pkcs11-tool", "openssl"])
def decrypt(bench: Bench) -> None:
    """The module offers no decryption, and says so before it touches the card."""
    document = bench.document()
    message = bench.dir / "message.cms"
    bench.sh("openssl", "cms", "-encrypt", "-binary", "-in", document, "-outform", "DER", "-out", message, "-aes256", bench.auth_certificate)
    before = bench.counters()["auth_signatures"]
    said = bench.sh("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", message, "-engine", "pkcs11", "-keyform", "engine",
                    "-inkey", uri(AUTH, "private", PIN), "-recip", bench.auth_certificate, "-out", "out", env=engine_env(bench), ok=False)
    block = bench.file("block", bytes(256))
    tool = bench.sh("pkcs11-tool", "--module", MODULE, "--token-label", AUTH, "--login", "--pin", PIN, "--decrypt", "--id", "01",
                    "--mechanism", "RSA-PKCS", "--input-file", block, "--output-file", "plain", ok=False)
    plain = bench.dir / "out"
    if plain.exists() and plain.read_bytes() == document.read_bytes():
        return
    bench.check(bench.counters()["auth_signatures"] == before, f"a decryption became a signature:\n{said}\n{tool}")
    raise Skipped("the card has no decryption, and its certificates are not for it; encrypt to another certificate")
