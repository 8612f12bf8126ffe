/* Finds a token and a key by a pkcs11: URI with p11-kit's own functions, and signs. MODULE URI PIN DOCUMENT OUT */
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

int main(int count, char **words)
{
    check(count == 6, "MODULE URI PIN DOCUMENT OUT");
    unsigned char data[65536], signature[512];
    FILE *file = fopen(words[4], "rb");
    check(file != NULL, "no document");
    CK_ULONG length = fread(data, 1, sizeof data, file);
    fclose(file);

    P11KitUri *uri = p11_kit_uri_new();
    check(p11_kit_uri_parse(words[2], P11_KIT_URI_FOR_ANY, uri) == P11_KIT_URI_OK, "the URI is not understood");
    CK_FUNCTION_LIST *module = p11_kit_module_load(words[1], 0);
    check(module && p11_kit_module_initialize(module) == CKR_OK, "the module cannot be loaded");
    CK_INFO info;
    check(module->C_GetInfo(&info) == CKR_OK && p11_kit_uri_match_module_info(uri, &info), "another module is meant");

    CK_SLOT_ID slots[64];
    CK_ULONG slot_count = 64, found = 0;
    CK_SESSION_HANDLE session;
    check(module->C_GetSlotList(CK_TRUE, slots, &slot_count) == CKR_OK, "C_GetSlotList");
    for (CK_ULONG at = 0; at < slot_count; at++) {
        CK_SLOT_INFO slot;
        CK_TOKEN_INFO token;
        if (module->C_GetSlotInfo(slots[at], &slot) != CKR_OK || module->C_GetTokenInfo(slots[at], &token) != CKR_OK)
            continue;
        if (!p11_kit_uri_match_slot_info(uri, &slot) || !p11_kit_uri_match_token_info(uri, &token))
            continue;
        found++;
        check(module->C_OpenSession(slots[at], CKF_SERIAL_SESSION, NULL, NULL, &session) == CKR_OK, "C_OpenSession");
    }
    check(found == 1, "the URI names no token, or several");
    check(module->C_Login(session, CKU_USER, (CK_UTF8CHAR *)words[3], strlen(words[3])) == CKR_OK, "C_Login");

    CK_ULONG attribute_count, keys = 0;
    CK_ATTRIBUTE *attributes = p11_kit_uri_get_attributes(uri, &attribute_count);
    CK_OBJECT_HANDLE key[2];
    check(module->C_FindObjectsInit(session, attributes, attribute_count) == CKR_OK, "C_FindObjectsInit");
    check(module->C_FindObjects(session, key, 2, &keys) == CKR_OK && keys == 1, "the URI names no key, or several");
    check(module->C_FindObjectsFinal(session) == CKR_OK, "C_FindObjectsFinal");
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_ULONG room = sizeof signature;
    check(module->C_SignInit(session, &mechanism, key[0]) == CKR_OK, "C_SignInit");
    check(module->C_Sign(session, data, length, signature, &room) == CKR_OK, "C_Sign");
    file = fopen(words[5], "wb");
    check(file && fwrite(signature, 1, room, file) == room && fclose(file) == 0, "cannot write");
    p11_kit_uri_free(uri);
    check(p11_kit_module_finalize(module) == CKR_OK, "C_Finalize");
    p11_kit_module_release(module);
    return 0;
}
