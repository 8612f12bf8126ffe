// Signs twice in one login with miekg/pkcs11, and verifies with the module.
// MODULE TOKEN PIN DOCUMENT OUT.. ; AGAIN=1: the context login before each signature.
package main

import (
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/miekg/pkcs11"
)

func main() {
	module, label, pin, document, outs := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:]
	data, err := os.ReadFile(document)
	check(err)
	p := pkcs11.New(module)
	if p == nil {
		log.Fatal("the module cannot be loaded")
	}
	check(p.Initialize())
	defer p.Destroy()
	defer p.Finalize()
	slots, err := p.GetSlotList(true)
	check(err)
	for _, slot := range slots {
		info, err := p.GetTokenInfo(slot)
		check(err)
		if info.Label == label {
			sign(p, slot, pin, data, outs)
			return
		}
	}
	log.Fatal("no such token")
}

func sign(p *pkcs11.Ctx, slot uint, pin string, data []byte, outs []string) {
	session, err := p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	check(err)
	check(p.Login(session, pkcs11.CKU_USER, pin))
	find := func(class uint) pkcs11.ObjectHandle {
		check(p.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class)}))
		found, _, err := p.FindObjects(session, 1)
		check(err)
		check(p.FindObjectsFinal(session))
		return found[0]
	}
	for _, out := range outs {
		mechanism := pkcs11.NewMechanism(pkcs11.CKM_SHA256_RSA_PKCS, nil)
		if strings.HasSuffix(out, "pss") {
			parameters := pkcs11.NewPSSParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, 32)
			mechanism = pkcs11.NewMechanism(pkcs11.CKM_SHA256_RSA_PKCS_PSS, parameters)
		}
		check(p.SignInit(session, []*pkcs11.Mechanism{mechanism}, find(pkcs11.CKO_PRIVATE_KEY)))
		if os.Getenv("AGAIN") == "1" {
			check(p.Login(session, pkcs11.CKU_CONTEXT_SPECIFIC, pin))
		}
		signature, err := p.Sign(session, data)
		check(err)
		check(p.VerifyInit(session, []*pkcs11.Mechanism{mechanism}, find(pkcs11.CKO_PUBLIC_KEY)))
		fmt.Println("verified by the module:", p.Verify(session, data, signature) == nil)
		check(os.WriteFile(out, signature, 0o600))
	}
	check(p.Logout(session))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
