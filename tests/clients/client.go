// Go's net/http: `client CA PORT HTTP STEP…`, where a step is HOST/PATH or HOST/PATH=AUTHORITY. Prints the
// status and Cache-Control of every answer, or `error`. All steps share one client.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	ca, port, version, steps := os.Args[1], os.Args[2], os.Args[3], os.Args[4:]
	pem, err := os.ReadFile(ca)
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	client := http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		ForceAttemptHTTP2: version == "2",
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		},
	}}
	for _, step := range steps {
		url, authority, _ := strings.Cut(step, "=")
		host, path, _ := strings.Cut(url, "/")
		request, err := http.NewRequest("GET", "https://"+host+":"+port+"/"+path, nil)
		must(err)
		if authority != "" {
			request.Host = authority + ":" + port
		}
		answer, err := client.Do(request)
		if err == nil {
			_, err = io.Copy(io.Discard, answer.Body)
			must(answer.Body.Close())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			fmt.Println("error")
			continue
		}
		cacheControl := answer.Header.Get("Cache-Control")
		if cacheControl == "" {
			cacheControl = "-"
		}
		fmt.Println(answer.StatusCode, cacheControl)
	}
}
