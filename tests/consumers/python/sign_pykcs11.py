"""Lists a token and signs twice with PyKCS11. MODULE TOKEN PIN DOCUMENT OUT.. ; PIN "-": an empty one is passed."""

import pathlib
import sys

import PyKCS11

module, label, pin, document, *outs = sys.argv[1:]
data = pathlib.Path(document).read_bytes()
library = PyKCS11.PyKCS11Lib()
library.load(module)
slot = next(it for it in library.getSlotList(tokenPresent=True) if library.getTokenInfo(it).label.strip() == label)
session = library.openSession(slot)
session.login("" if pin == "-" else pin)
for found in session.findObjects():
    known = found.to_dict()
    print(known["CKA_CLASS"], known.get("CKA_LABEL"))
key = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY)])[0]
public = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PUBLIC_KEY)])[0]
for out in outs:
    mechanism = PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS, None)
    if out.endswith("pss"):
        mechanism = PyKCS11.RSA_PSS_Mechanism(
            PyKCS11.CKM_SHA256_RSA_PKCS_PSS, PyKCS11.CKM_SHA256, PyKCS11.CKG_MGF1_SHA256, 32)
    signature = bytes(session.sign(key, data, mechanism))
    print("verified by the module:", session.verify(public, data, signature, mechanism))
    pathlib.Path(out).write_bytes(signature)
session.logout()
session.closeSession()
