// Signs an XML file with the key of a PKCS#11 token. SignXml CONFIG PIN IN.xml OUT.xml

import java.io.File;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.xml.crypto.dsig.CanonicalizationMethod;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.SignedInfo;
import javax.xml.crypto.dsig.Transform;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMSignContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.KeyInfoFactory;
import javax.xml.crypto.dsig.spec.C14NMethodParameterSpec;
import javax.xml.crypto.dsig.spec.TransformParameterSpec;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.Document;

public class SignXml {
    public static void main(String[] words) throws Exception {
        Provider token = Security.getProvider("SunPKCS11").configure(words[0]);
        Security.addProvider(token);
        KeyStore keys = KeyStore.getInstance("PKCS11", token);
        keys.load(null, words[1].toCharArray());
        String alias = java.util.Collections.list(keys.aliases()).stream().filter(name -> isKey(keys, name)).findFirst().get();

        DocumentBuilderFactory builders = DocumentBuilderFactory.newInstance();
        builders.setNamespaceAware(true);
        Document document = builders.newDocumentBuilder().parse(new File(words[2]));
        XMLSignatureFactory xml = XMLSignatureFactory.getInstance("DOM");
        Reference whole = xml.newReference("", xml.newDigestMethod(DigestMethod.SHA256, null),
            List.of(xml.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null)), null, null);
        SignedInfo info = xml.newSignedInfo(
            xml.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
            xml.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", null), List.of(whole));
        KeyInfoFactory infos = xml.getKeyInfoFactory();
        KeyInfo who = infos.newKeyInfo(List.of(infos.newX509Data(List.of((X509Certificate) keys.getCertificate(alias)))));
        PrivateKey key = (PrivateKey) keys.getKey(alias, null);
        xml.newXMLSignature(info, who).sign(new DOMSignContext(key, document.getDocumentElement()));
        TransformerFactory.newInstance().newTransformer().transform(new DOMSource(document), new StreamResult(new File(words[3])));
    }

    private static boolean isKey(KeyStore keys, String name) {
        try {
            return keys.isKeyEntry(name);
        } catch (java.security.KeyStoreException none) {
            return false;
        }
    }
}
