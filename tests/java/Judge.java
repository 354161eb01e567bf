import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Set;

/**
 * Java's own verdict (PKIX, RFC 5280 §6) on certificates: Judge ROOT CHAIN SECONDS CRL|- FOLDER. All files are PEM; each file of
 * FOLDER is a leaf. The last line is the number of those that are accepted, one line before it for each that is not.
 */
public final class Judge {
    public static void main(String[] args) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = (X509Certificate) all(factory, Path.of(args[0])).get(0);
        List<Certificate> chain = all(factory, Path.of(args[1]));
        PKIXParameters rules = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        rules.setDate(new Date(Long.parseLong(args[2]) * 1000));
        rules.setRevocationEnabled(!args[3].equals("-"));
        if (rules.isRevocationEnabled()) {
            Collection<?> lists = factory.generateCRLs(open(Path.of(args[3])));
            rules.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
        }
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        int accepted = 0;
        try (DirectoryStream<Path> files = Files.newDirectoryStream(Path.of(args[4]))) {
            for (Path file : files) {
                List<Certificate> path = new ArrayList<>(all(factory, file).subList(0, 1));
                path.addAll(chain);
                CertPath whole = factory.generateCertPath(path);
                try {
                    validator.validate(whole, rules);
                    accepted++;
                } catch (CertPathValidatorException refused) {
                    System.out.println(file.getFileName() + ": " + refused.getReason() + " " + refused.getMessage());
                }
            }
        }
        System.out.println(accepted);
    }

    private static List<Certificate> all(CertificateFactory factory, Path file) throws Exception {
        return new ArrayList<>(factory.generateCertificates(open(file)));
    }

    private static InputStream open(Path file) throws Exception {
        return new ByteArrayInputStream(Files.readAllBytes(file));
    }
}
