// Java's HttpClient: `java Client.java CA PORT HTTP STEP…`, where a step is HOST/PATH or
// HOST/PATH=AUTHORITY. Prints the status and Cache-Control of every answer, or `error`. All steps share one client.

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

class Client {
    public static void main(String[] args) throws Exception {
        String port = args[1];
        HttpClient client = HttpClient.newBuilder()
            .sslContext(trusting(Path.of(args[0])))
            .version(args[2].equals("2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1)
            .build();
        for (String step : Arrays.copyOfRange(args, 3, args.length)) {
            String[] parts = step.split("=");
            String[] place = parts[0].split("/", 2);
            URI uri = URI.create("https://" + place[0] + ":" + port + "/" + place[1]);
            HttpRequest.Builder request = HttpRequest.newBuilder(uri);
            if (parts.length > 1) {
                request.header("Host", parts[1] + ":" + port);
            }
            try {
                var answer = client.send(request.build(), BodyHandlers.discarding());
                String cacheControl = answer.headers().firstValue("cache-control").orElse("-");
                System.out.println(answer.statusCode() + " " + cacheControl);
            } catch (IOException error) {
                error.printStackTrace();
                System.out.println("error");
            }
        }
        System.exit(0); // without waiting for idle threads
    }

    static SSLContext trusting(Path ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream pem = Files.newInputStream(ca)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        return tls;
    }
}
