// grpc-go: `grpc CA PORT STEP…`, where a step is SNI/AUTHORITY. Makes one unary call for each step, on a connection of
// its own, with a policy that repeats calls up to three times if they are UNAVAILABLE. Prints the status and the message
// of every call.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const retries = `{"methodConfig": [{"name": [{"service": "test.Echo"}], "retryPolicy": {
	"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`

// Says that the authority of calls is another name than the server name.
type misdirecting struct {
	credentials.TransportCredentials
	authority string
}

func (m misdirecting) Info() credentials.ProtocolInfo {
	info := m.TransportCredentials.Info()
	info.ServerName = m.authority
	return info
}

func (m misdirecting) Clone() credentials.TransportCredentials {
	return misdirecting{m.TransportCredentials.Clone(), m.authority}
}

// Messages as they are.
type raw struct{}

func (raw) Marshal(message interface{}) ([]byte, error) { return *message.(*[]byte), nil }

func (raw) Unmarshal(data []byte, message interface{}) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (raw) Name() string { return "raw" }

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) == 1 {
		fmt.Println(grpc.Version)
		return
	}
	ca, port, steps := os.Args[1], os.Args[2], os.Args[3:]
	pem, err := os.ReadFile(ca)
	must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	for _, step := range steps {
		sni, authority, _ := strings.Cut(step, "/")
		tls := credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: sni})
		connection, err := grpc.Dial(
			"127.0.0.1:"+port,
			grpc.WithTransportCredentials(misdirecting{tls, authority}),
			grpc.WithDefaultServiceConfig(retries),
		)
		must(err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		request, answer := []byte("hello"), []byte(nil)
		err = connection.Invoke(ctx, "/test.Echo/Echo", &request, &answer, grpc.ForceCodec(raw{}))
		cancel()
		if err == nil {
			fmt.Println("OK")
		} else {
			status := status.Convert(err)
			fmt.Println(status.Code(), status.Message())
		}
		must(connection.Close())
	}
}
