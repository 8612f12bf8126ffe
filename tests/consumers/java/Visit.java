// Goes to a TLS site with the certificate of a PKCS#11 token. Visit CONFIG PIN CA.pem VERSION URL

import java.io.FileInputStream;
import java.net.URL;
import java.security.KeyStore;
import java.security.Provider;
import java.security.Security;
import java.security.cert.CertificateFactory;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

public class Visit {
    public static void main(String[] words) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(words[0]);
        Security.addProvider(token);
        KeyStore keys = KeyStore.getInstance("PKCS11", token);
        keys.load(null, words[1].toCharArray());
        KeyManagerFactory ours = KeyManagerFactory.getInstance("PKIX");
        ours.init(keys, null);

        KeyStore authorities = KeyStore.getInstance("PKCS12");
        authorities.load(null, null);
        try (FileInputStream in = new FileInputStream(words[2])) {
            authorities.setCertificateEntry("site", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory theirs = TrustManagerFactory.getInstance("PKIX");
        theirs.init(authorities);

        SSLContext context = SSLContext.getInstance("TLSv" + words[3]);
        context.init(ours.getKeyManagers(), theirs.getTrustManagers(), null);
        HttpsURLConnection site = (HttpsURLConnection) new URL(words[4]).openConnection();
        site.setSSLSocketFactory(context.getSocketFactory());
        System.out.print(new String(site.getInputStream().readAllBytes(), "UTF-8"));
    }
}
