// Signs twice in one login with pkcs11js or graphene-pk11, and verifies with the module.
// LIBRARY MODULE TOKEN PIN DOCUMENT OUT.. ; AGAIN=1: the context login before each signature.
"use strict";
const fs = require("fs");
const [library, modulePath, label, pin, document, ...outs] = process.argv.slice(2);
const data = fs.readFileSync(document);
const again = process.env.AGAIN === "1";

function pkcs11js() {
  const p = require("pkcs11js");
  const token = new p.PKCS11();
  token.load(modulePath);
  token.C_Initialize();
  const slot = token.C_GetSlotList(true).find((it) => token.C_GetTokenInfo(it).label.trim() === label);
  const session = token.C_OpenSession(slot, p.CKF_SERIAL_SESSION);
  token.C_Login(session, p.CKU_USER, pin);
  const find = (kind) => {
    token.C_FindObjectsInit(session, [{ type: p.CKA_CLASS, value: kind }]);
    const found = token.C_FindObjects(session);
    token.C_FindObjectsFinal(session);
    return found;
  };
  for (const out of outs) {
    const pss = out.endsWith("pss");
    const mechanism = pss
      ? { mechanism: p.CKM_SHA256_RSA_PKCS_PSS,
          parameter: { type: p.CK_PARAMS_RSA_PSS, hashAlg: p.CKM_SHA256, mgf: p.CKG_MGF1_SHA256, saltLen: 32 } }
      : { mechanism: p.CKM_SHA256_RSA_PKCS };
    token.C_SignInit(session, mechanism, find(p.CKO_PRIVATE_KEY));
    if (again) token.C_Login(session, p.CKU_CONTEXT_SPECIFIC, pin);
    const signature = token.C_Sign(session, data, Buffer.alloc(512));
    token.C_VerifyInit(session, mechanism, find(p.CKO_PUBLIC_KEY));
    console.log("verified by the module:", token.C_Verify(session, data, signature));
    fs.writeFileSync(out, signature);
  }
  token.C_Logout(session);
  token.C_Finalize();
}

function graphene() {
  const g = require("graphene-pk11");
  const token = g.Module.load(modulePath, "jpki");
  token.initialize();
  const slots = token.getSlots(true);
  let slot;
  for (let i = 0; i < slots.length; i++) if (slots.items(i).getToken().label.trim() === label) slot = slots.items(i);
  const session = slot.open(g.SessionFlag.SERIAL_SESSION);
  session.login(pin);
  const find = (kind) => session.find({ class: kind }).items(0);
  const key = find(g.ObjectClass.PRIVATE_KEY).toType();
  const open = find(g.ObjectClass.PUBLIC_KEY).toType();
  for (const out of outs) {
    const mechanism = out.endsWith("pss")
      ? { name: "SHA256_RSA_PKCS_PSS", params: new g.RsaPssParams(g.MechanismEnum.SHA256, g.RsaMgf.MGF1_SHA256, 32) }
      : "SHA256_RSA_PKCS";
    const sign = session.createSign(mechanism, key);
    if (again) session.login(pin, g.UserType.CONTEXT_SPECIFIC);
    sign.update(data.subarray(0, 10));
    sign.update(data.subarray(10));
    const signature = sign.final();
    const verify = session.createVerify(mechanism, open);
    verify.update(data);
    console.log("verified by the module:", verify.final(signature));
    fs.writeFileSync(out, signature);
  }
  session.logout();
  session.close();
  token.finalize();
}

({ pkcs11js, graphene })[library]();
