// Go's own verdict (crypto/x509) on certificates: judge ROOT CHAIN SECONDS LISTS|- FOLDER. All files are PEM; each file of
// FOLDER is a leaf, for a server. The last line is the number of those that are accepted, one line before it for each that
// is not. crypto/x509 leaves revocation to its callers: here every certificate below the root must have a list of its issuer's
// that holds and that it is not on.
package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	root, chain := certificates(os.Args[1])[0], certificates(os.Args[2])
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	options.Roots.AddCert(root)
	for _, certificate := range chain {
		options.Intermediates.AddCert(certificate)
	}
	seconds, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	options.CurrentTime = time.Unix(seconds, 0)
	leaves, err := os.ReadDir(os.Args[5])
	must(err)
	accepted := 0
	for _, leaf := range leaves {
		certificate := certificates(filepath.Join(os.Args[5], leaf.Name()))[0]
		if err := judge(certificate, options, os.Args[4]); err != nil {
			fmt.Printf("%s: %v\n", leaf.Name(), err)
		} else {
			accepted++
		}
	}
	fmt.Println(accepted)
}

func judge(leaf *x509.Certificate, options x509.VerifyOptions, lists string) error {
	options.DNSName = leaf.DNSNames[0]
	chains, err := leaf.Verify(options)
	if err != nil || lists == "-" {
		return err
	}
	for _, chain := range chains {
		if err = unrevoked(chain, read(lists), options.CurrentTime); err == nil {
			return nil
		}
	}
	return err
}

func unrevoked(chain []*x509.Certificate, lists []*x509.RevocationList, now time.Time) error {
	for i, issuer := range chain[1:] {
		list := listOf(issuer, lists)
		if list == nil {
			return fmt.Errorf("no list of %s", issuer.Subject)
		}
		if list.Number == nil || now.Before(list.ThisUpdate) || now.After(list.NextUpdate) {
			return fmt.Errorf("the list of %s holds from %s to %s", issuer.Subject, list.ThisUpdate, list.NextUpdate)
		}
		for _, entry := range list.RevokedCertificates {
			if entry.SerialNumber.Cmp(chain[i].SerialNumber) == 0 {
				return errors.New("revoked")
			}
		}
	}
	return nil
}

func listOf(issuer *x509.Certificate, lists []*x509.RevocationList) *x509.RevocationList {
	for _, list := range lists {
		if bytes.Equal(list.RawIssuer, issuer.RawSubject) && list.CheckSignatureFrom(issuer) == nil {
			return list
		}
	}
	return nil
}

func read(file string) (lists []*x509.RevocationList) {
	for _, der := range blocks(file) {
		list, err := x509.ParseRevocationList(der)
		must(err)
		lists = append(lists, list)
	}
	return lists
}

func certificates(file string) (all []*x509.Certificate) {
	for _, der := range blocks(file) {
		certificate, err := x509.ParseCertificate(der)
		must(err)
		all = append(all, certificate)
	}
	return all
}

func blocks(file string) (ders [][]byte) {
	rest, err := os.ReadFile(file)
	must(err)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return ders
		}
		ders = append(ders, block.Bytes)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
