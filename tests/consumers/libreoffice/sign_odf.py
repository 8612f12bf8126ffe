"""Signs a text document (ODF) in LibreOffice's dialogs: File, Digital Signatures. PIPE CERTIFICATE_COMMON_NAME TOKEN PASSWORD OUT
[FOLDER OF PICTURES]. Needs python3-uno."""

import pathlib
import sys

from office import Dialogs, connect, state


def rows(name):
    """Finds the dialog of this name once its list has rows: the texts of the rows and the dialog."""

    def look(window, names):
        if name not in names or "signatures" not in names:
            return None
        shown = window.getChild("signatures")
        texts = [state(shown.getChild(number))["Text"] for number in shown.getChildren()]
        return (texts, window) if texts else None

    return look


def main():
    """Signs with the certificate whose subject holds the name."""
    pipe, name, token, password, out, *picture = sys.argv[1:]
    create = connect(pipe)
    dialogs = Dialogs(create, token, password, *picture or [None])
    desktop = create("com.sun.star.frame.Desktop")
    document = desktop.loadComponentFromURL("private:factory/swriter", "_blank", 0, ())
    document.Text.String = "委任状 A power of attorney."
    document.storeAsURL(pathlib.Path(out).absolute().as_uri(), ())
    dialogs.command(".uno:Signature")
    signatures = dialogs.wait(lambda window, names: "DigitalSignaturesDialog" in names and window, "the signatures")
    dialogs.press(signatures, "sign")
    offered, choice = dialogs.wait(rows("SelectCertificateDialog"), "the certificates")
    chosen = [str(number) for number, text in enumerate(offered) if name in text]
    if len(chosen) != 1:
        sys.exit(f"{len(chosen)} certificates of {name}: {offered}")
    choice.getChild("signatures").getChild(chosen[0]).executeAction("SELECT", ())
    dialogs.press(choice, "ok")
    made, signatures = dialogs.wait(rows("DigitalSignaturesDialog"), "the signature")
    verdict = [field for field in ("validft", "notvalidatedft", "invalidft", "oldsignatureft") if state(signatures.getChild(field))["Visible"] == "true"]
    print("signatures:", made)
    print("verdict:", *verdict)
    print("dialogs:", dialogs.asked)
    dialogs.picture("^Digital Signatures$", "libreoffice-signatures.png")
    signatures.getChild("close").executeAction("CLICK", ())
    desktop.terminate()


main()
