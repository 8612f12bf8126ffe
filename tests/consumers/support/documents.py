"""Documents to sign, and OpenSSL's judgement of signed ones. Standard library only. It never uses the
module under test."""

from __future__ import annotations

import base64
import pathlib
import re
import zipfile

from .bench import Bench


def pdf(bench: Bench) -> pathlib.Path:
    """A PDF of one page, with a correct table of objects."""
    page = b"BT /F1 18 Tf 72 720 Td (A power of attorney.) Tj ET"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bench.file("document.pdf", out)


def verify_pdf(bench: Bench, signed: pathlib.Path, authority: pathlib.Path, count: int = 1) -> None:
    """OpenSSL judges each signature in a PDF over the bytes that it covers; the last one covers all."""
    data = signed.read_bytes()
    ranges = re.findall(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]", data)
    bench.check(len(ranges) == count, f"{len(ranges)} signatures in the PDF, wanted {count}")
    ends = []
    for found in ranges:
        first, length, second, rest = (int(number) for number in found)
        gap = data[first + length:second]
        blob = bytes.fromhex(gap[gap.index(b"<") + 1:gap.rindex(b">")].decode())
        # The hole is larger than the signature; what follows the end of the DER does not count.
        ends.append(second + rest)
        verify_cms(bench, bench.file("pdf.p7s", blob),
                   bench.file("pdf.covered", data[first:first + length] + data[second:second + rest]), authority)
    bench.check(max(ends) == len(data), "the signature does not cover the whole PDF")


def verify_odf(bench: Bench, signed: pathlib.Path, certificate: pathlib.Path, authority: pathlib.Path) -> None:
    """xmlsec1 judges the signature of an OpenDocument file, which names each member of the archive, and the certificate in it. A member that is
    changed makes it wrong."""
    folder, inside = bench.dir / "odf", "META-INF/documentsignatures.xml"
    with zipfile.ZipFile(signed) as archive:
        archive.extractall(folder)
        members = {name for name in archive.namelist() if not name.endswith("/")} - {inside}
    signature = (folder / inside).read_text()
    named = set(re.findall(r'<Reference URI="([^#"]+)"', signature))
    bench.check(named == members, f"signed: {sorted(named)}; in the document: {sorted(members)}")
    whose = re.findall(r"<X509Certificate>([^<]+)</X509Certificate>", signature)
    bench.check([base64.b64decode(one) for one in whose] == [der(certificate)], "another certificate signed")
    judge = ["xmlsec1", "--verify", "--trusted-pem", authority, "--id-attr:Id", "SignedProperties", inside]
    said = bench.sh(*judge, cwd=folder)
    # Two more: the date, and the properties that XAdES signs.
    bench.check(f"SignedInfo References (ok/all): {len(named) + 2}/{len(named) + 2}" in said, said)
    content = folder / "content.xml"
    content.write_bytes(content.read_bytes().replace(b"attorney", b"attorneys"))
    said = bench.sh(*judge, cwd=folder, ok=False)
    bench.check("data and digest do not match" in said and "\nOK\n" not in said, f"a changed document is verified, too:\n{said}")


def der(certificate: pathlib.Path) -> bytes:
    """The certificate in a PEM file."""
    return base64.b64decode(certificate.read_text().split("-----")[2])


def verify_cms(bench: Bench, signature: pathlib.Path, document: pathlib.Path, authority: pathlib.Path) -> None:
    """OpenSSL judges a detached CMS signature and the certificate in it."""
    said = bench.sh("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", signature, "-content", document,
                    "-CAfile", authority, "-purpose", "any", "-out", bench.dir / "cms.out")
    bench.check("uccessful" in said, said)
