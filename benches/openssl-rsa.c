/* For each line of its input makes one RSA key with the machine's libcrypto, and says how many milliseconds of CPU
 * time that took. The size comes as argument. Encoded as PKCS#8 PEM, as keyturn does it. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    char line[64];
    int bits = argc > 1 ? atoi(argv[1]) : 3072;
    while (fgets(line, sizeof line, stdin)) {
        double start = now();
        EVP_PKEY *key = EVP_RSA_gen(bits);
        BIO *out = BIO_new(BIO_s_mem());
        if (!key || !PEM_write_bio_PKCS8PrivateKey(out, key, NULL, NULL, 0, NULL, NULL)) return 1;
        printf("%f\n", now() - start);
        fflush(stdout);
        BIO_free(out);
        EVP_PKEY_free(key);
    }
    return 0;
}
