// Milliseconds that OpenSSL takes for a Miller-Rabin round (BN_mod_exp_mont with a random base) on a random odd number.
#include <openssl/bn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **arguments) {
    int bits = count > 1 ? atoi(arguments[1]) : 2048, runs = count > 2 ? atoi(arguments[2]) : 200;
    BN_CTX *context = BN_CTX_new();
    BIGNUM *number = BN_new(), *exponent = BN_new(), *base = BN_new(), *power = BN_new();
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < runs; i++) {
        BN_rand(number, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
        BN_sub(exponent, number, BN_value_one());
        BN_rand_range(base, number);
        BN_MONT_CTX *montgomery = BN_MONT_CTX_new();
        if (!BN_MONT_CTX_set(montgomery, number, context) ||
            !BN_mod_exp_mont(power, base, exponent, number, context, montgomery)) return 1;
        BN_MONT_CTX_free(montgomery);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.4f\n", ((end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6) / runs);
    return 0;
}
