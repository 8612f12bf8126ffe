// Signs a file with the key of a PKCS#11 token, several times in one login.
// Sign CONFIG PIN ALGORITHM FILE SIGNATURE..   ("PSS": RSASSA-PSS with SHA-256 and salt 32; PIN "-": no PIN is passed)

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.spec.MGF1ParameterSpec;
import java.security.spec.PSSParameterSpec;

public class Sign {
    public static void main(String[] words) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(words[0]);
        Security.addProvider(token);
        KeyStore keys = KeyStore.getInstance("PKCS11", token);
        keys.load(null, words[1].equals("-") ? null : words[1].toCharArray());
        PrivateKey key = null;
        for (String alias : java.util.Collections.list(keys.aliases())) {
            if (keys.isKeyEntry(alias)) {
                key = (PrivateKey) keys.getKey(alias, null);
                System.out.println("key: " + alias);
            }
        }
        for (int i = 4; i < words.length; i++) {
            boolean pss = words[2].equals("PSS");
            Signature signature = Signature.getInstance(pss ? "RSASSA-PSS" : words[2], token);
            if (pss) {
                signature.setParameter(new PSSParameterSpec("SHA-256", "MGF1", MGF1ParameterSpec.SHA256, 32, 1));
            }
            signature.initSign(key);
            signature.update(Files.readAllBytes(Path.of(words[3])));
            Files.write(Path.of(words[i]), signature.sign());
            System.out.println("signed: " + words[i]);
        }
    }
}
