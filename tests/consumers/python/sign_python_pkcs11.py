"""Lists a token and signs twice with python-pkcs11. MODULE TOKEN PIN DOCUMENT OUT.. ; AGAIN=1: the PIN goes
with each signature. PIN "-": no PIN is passed."""

import os
import pathlib
import sys

import pkcs11
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass

module, label, pin, document, *outs = sys.argv[1:]
data = pathlib.Path(document).read_bytes()
library = pkcs11.lib(module)
token = library.get_token(token_label=label)
print(sorted(str(it) for it in token.slot.get_mechanisms()))
with token.open(user_pin=pkcs11.PROTECTED_AUTH if pin == "-" else pin) as session:
    for found in session.get_objects():
        print(found.object_class, found[Attribute.LABEL] if found.object_class != ObjectClass.PROFILE else "")
    key = session.get_key(object_class=ObjectClass.PRIVATE_KEY)
    print("always authenticate:", key[Attribute.ALWAYS_AUTHENTICATE])
    public = session.get_key(object_class=ObjectClass.PUBLIC_KEY)
    more = {"pin": pin} if os.environ.get("AGAIN") else {}
    pss = (Mechanism.SHA256, MGF.SHA256, 32)
    for out in outs:
        if out.endswith("pss"):
            signature = key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=pss, **more)
            good = public.verify(data, signature, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=pss)
        else:
            signature = key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS, **more)
            good = public.verify(data, signature, mechanism=Mechanism.SHA256_RSA_PKCS)
        print("verified by the module:", good)
        pathlib.Path(out).write_bytes(signature)
    print("random:", len(session.generate_random(256)))
