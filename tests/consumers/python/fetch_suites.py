"""Fetches the source packages of Python libraries from PyPI and unpacks their own tests, which wheels do not have.
Standard library only. fetch_suites.py FOLDER PACKAGE=VERSION=FOLDER-OF-TESTS.."""

import hashlib
import io
import pathlib
import re
import sys
import tarfile
import urllib.request


def main() -> None:
    """One folder for each package. What is there already is left alone."""
    target = pathlib.Path(sys.argv[1])
    for words in sys.argv[2:]:
        package, version, tests = words.split("=")
        folder = target / f"{package}-{version}"
        if not folder.exists():
            unpack(source(package, version), tests, folder)


def source(package: str, version: str) -> bytes:
    """The source package, with the hash that the index gives."""
    with urllib.request.urlopen(f"https://pypi.org/simple/{package}/", timeout=60) as answer:
        page = answer.read().decode()
    for url, digest in re.findall(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', page):
        if url.endswith(f"-{version}.tar.gz"):
            with urllib.request.urlopen(url, timeout=120) as answer:
                data = answer.read()
            if hashlib.sha256(data).hexdigest() != digest:
                raise SystemExit(f"{url}: another hash than the index has")
            return data
    raise SystemExit(f"{package} {version} has no source package")


def unpack(data: bytes, tests: str, folder: pathlib.Path) -> None:
    """The Python files of the folder of tests, into a folder of the same name."""
    made = folder.with_name(f"{folder.name}.new") / tests
    made.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            parts = pathlib.PurePosixPath(member.name).parts
            if len(parts) == 3 and parts[1] == tests and member.isfile() and parts[2].endswith(".py"):
                (made / parts[2]).write_bytes(archive.extractfile(member).read())
    made.parent.rename(folder)


main()
