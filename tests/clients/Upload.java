// Java's HttpURLConnection: `java Upload.java CA PORT LENGTH`. Sends a body for two.test on a connection for one.test,
// all of it before it reads. Prints the status, Cache-Control and the length of the answer's body.

import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

class Upload {
    public static void main(String[] args) throws Exception {
        System.setProperty("sun.net.http.allowRestrictedHeaders", "true");
        int length = Integer.parseInt(args[2]);
        URI uri = URI.create("https://one.test:" + args[1] + "/");
        var connection = (HttpsURLConnection) uri.toURL().openConnection();
        connection.setSSLSocketFactory(trusting(Path.of(args[0])).getSocketFactory());
        connection.setRequestMethod("POST");
        connection.setRequestProperty("Host", "two.test:" + args[1]);
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(length);
        try (var body = connection.getOutputStream()) {
            byte[] piece = new byte[1 << 16];
            for (int rest = length; rest > 0; rest -= Math.min(rest, piece.length)) {
                body.write(piece, 0, Math.min(rest, piece.length));
            }
        }
        int status = connection.getResponseCode();
        int read = connection.getErrorStream().readAllBytes().length;
        System.out.println(status + " " + connection.getHeaderField("cache-control") + " " + read);
    }

    static SSLContext trusting(Path ca) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        var factory = CertificateFactory.getInstance("X.509");
        store.setCertificateEntry("ca", factory.generateCertificate(Files.newInputStream(ca)));
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }
}
