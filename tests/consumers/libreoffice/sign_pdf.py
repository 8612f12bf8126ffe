"""Exports a text as a signed PDF by LibreOffice's own signature, over UNO. PIPE CERTIFICATE_COMMON_NAME TOKEN PASSWORD OUT [FOLDER OF
PICTURES]. Needs python3-uno."""

import pathlib
import sys

import uno
from office import Dialogs, connect, value


def main():
    """Signs with the certificate whose subject holds the name."""
    pipe, name, token, password, out, *picture = sys.argv[1:]
    create = connect(pipe)
    dialogs = Dialogs(create, token, password, *picture or [None])
    security = create("com.sun.star.xml.crypto.SEInitializer").createSecurityContext("")
    found = dialogs.beside(security.getSecurityEnvironment().getPersonalCertificates)("the certificates")
    print("certificates:", len(found))
    chosen = [one for one in found if name in one.SubjectName]
    if len(chosen) != 1:
        sys.exit(f"{len(chosen)} certificates of {name}: {[one.SubjectName for one in found]}")
    desktop = create("com.sun.star.frame.Desktop")
    document = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, (value("Hidden", True),))
    document.Text.String = "委任状 A power of attorney."
    filter_data = uno.Any("[]com.sun.star.beans.PropertyValue", (value("SignPDF", True), value("SignatureCertificate", chosen[0]), value("SignaturePassword", password)))
    stored = dialogs.beside(document.storeToURL, pathlib.Path(out).absolute().as_uri(), (value("FilterName", "writer_pdf_Export"), value("FilterData", filter_data)))
    stored("the export")
    print("dialogs:", dialogs.asked)
    document.close(False)
    desktop.terminate()


main()
