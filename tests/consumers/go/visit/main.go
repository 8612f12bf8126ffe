// A visit to a TLS site with the card by crypto11, which makes a crypto.Signer of its key.
// MODULE TOKEN PIN CA_FILE URL
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/ThalesIgnite/crypto11"
)

func main() {
	module, label, pin, authority, url := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	card, err := crypto11.Configure(&crypto11.Config{Path: module, TokenLabel: label, Pin: pin})
	check(err)
	defer card.Close()
	certificates, err := card.FindAllPairedCertificates()
	check(err)
	pem, err := os.ReadFile(authority)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}
	answer, err := (&http.Client{Transport: transport}).Get(url)
	check(err)
	page, err := io.ReadAll(answer.Body)
	check(err)
	fmt.Print(string(page))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
