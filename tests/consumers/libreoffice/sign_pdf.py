"""Exports a text as a signed PDF by LibreOffice's own signature, over UNO. PIPE CERTIFICATE_COMMON_NAME PASSWORD OUT. Needs python3-uno."""

import pathlib
import sys
import time

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException


def value(name, content):
    """A property of UNO."""
    it = PropertyValue()
    it.Name, it.Value = name, content
    return it


def connect(pipe):
    """The context of the running LibreOffice, which takes some seconds to start."""
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(150):
        try:
            return resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
        except NoConnectException:
            time.sleep(0.2)
    sys.exit("LibreOffice does not answer")


def main():
    """Signs with the certificate whose subject holds the name."""
    pipe, name, password, out = sys.argv[1:]
    context = connect(pipe)
    create = lambda service: context.ServiceManager.createInstanceWithContext(service, context)
    security = create("com.sun.star.xml.crypto.SEInitializer").createSecurityContext("")
    found = security.getSecurityEnvironment().getPersonalCertificates()
    print("certificates:", len(found))
    chosen = [one for one in found if name in one.SubjectName]
    if len(chosen) != 1:
        sys.exit(f"{len(chosen)} certificates of {name}: {[one.SubjectName for one in found]}")
    desktop = create("com.sun.star.frame.Desktop")
    document = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, (value("Hidden", True),))
    document.Text.String = "委任状 A power of attorney."
    filter_data = uno.Any("[]com.sun.star.beans.PropertyValue", (value("SignPDF", True), value("SignatureCertificate", chosen[0]), value("SignaturePassword", password)))
    document.storeToURL(pathlib.Path(out).absolute().as_uri(), (value("FilterName", "writer_pdf_Export"), value("FilterData", filter_data)))
    document.close(False)
    desktop.terminate()


main()
