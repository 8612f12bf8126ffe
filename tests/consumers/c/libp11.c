/* Signs with libp11 by OpenSSL's EVP. MODULE TOKEN PIN DOCUMENT OUT.. */
#include <libp11.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s\n", what);
        ERR_print_errors_fp(stderr);
        exit(1);
    }
}

static void sign(EVP_PKEY *key, const unsigned char *data, size_t length, const char *out)
{
    unsigned char signature[512];
    size_t room = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    check(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1, "EVP_DigestSignInit");
    check(EVP_DigestSign(context, signature, &room, data, length) == 1, "EVP_DigestSign");
    FILE *file = fopen(out, "wb");
    check(file && fwrite(signature, 1, room, file) == room && fclose(file) == 0, "cannot write");
    EVP_MD_CTX_free(context);
}

int main(int count, char **words)
{
    check(count >= 6, "MODULE TOKEN PIN DOCUMENT OUT..");
    unsigned char data[65536];
    FILE *document = fopen(words[4], "rb");
    check(document != NULL, "no document");
    size_t length = fread(data, 1, sizeof data, document);
    fclose(document);

    PKCS11_CTX *context = PKCS11_CTX_new();
    PKCS11_SLOT *slots;
    PKCS11_KEY *keys;
    unsigned int slot_count, key_count;
    check(PKCS11_CTX_load(context, words[1]) == 0, "PKCS11_CTX_load");
    check(PKCS11_enumerate_slots(context, &slots, &slot_count) == 0, "PKCS11_enumerate_slots");
    PKCS11_SLOT *slot = NULL;
    while ((slot = PKCS11_find_next_token(context, slots, slot_count, slot)) && strcmp(slot->token->label, words[2]) != 0)
        ;
    check(slot != NULL, "no such token");
    check(PKCS11_login(slot, 0, words[3]) == 0, "PKCS11_login");
    check(PKCS11_enumerate_keys(slot->token, &keys, &key_count) == 0 && key_count == 1, "PKCS11_enumerate_keys");
    EVP_PKEY *key = PKCS11_get_private_key(keys);
    check(key != NULL, "PKCS11_get_private_key");
    for (int word = 5; word < count; word++)
        sign(key, data, length, words[word]);
    EVP_PKEY_free(key);
    PKCS11_logout(slot);
    PKCS11_release_all_slots(context, slots, slot_count);
    PKCS11_CTX_unload(context);
    PKCS11_CTX_free(context);
    return 0;
}
