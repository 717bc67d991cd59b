// OkHttp: `java -cp … OkHttp.java CA PORT HTTP STEP…`, where a step is HOST/PATH or HOST/PATH=AUTHORITY.
// Prints the status and Cache-Control of every answer, or `error`. All steps share one client.

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.Response;

class OkHttp {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream pem = Files.newInputStream(Path.of(args[0]))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        OkHttpClient client = new OkHttpClient.Builder()
            .sslSocketFactory(tls.getSocketFactory(), (X509TrustManager) trust.getTrustManagers()[0])
            .protocols(args[2].equals("2")
                ? List.of(Protocol.HTTP_2, Protocol.HTTP_1_1)
                : List.of(Protocol.HTTP_1_1))
            .build();

        for (String step : Arrays.copyOfRange(args, 3, args.length)) {
            String[] parts = step.split("=");
            String[] place = parts[0].split("/", 2);
            Request.Builder request = new Request.Builder()
                .url("https://" + place[0] + ":" + args[1] + "/" + place[1]);
            if (parts.length > 1) {
                request.header("Host", parts[1] + ":" + args[1]);
            }
            try (Response answer = client.newCall(request.build()).execute()) {
                answer.body().bytes();
                System.out.println(answer.code() + " " + answer.header("cache-control", "-"));
            } catch (IOException error) {
                error.printStackTrace();
                System.out.println("error");
            }
        }
        System.exit(0); // without waiting for idle threads
    }
}
