/* A Windows program with the module: lists tokens, tries a length that cannot be, logs in, signs twice, waits for events,
 * unloads the module. MODULE PIN OUT; MODULE alone lists tokens. Each line is compared with what the card counted
 * (tests/windows/run). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST *p11;

static void check(CK_RV rv, CK_RV wanted, const char *what)
{
    if (rv != wanted) {
        printf("FAILED %s: 0x%lx, wanted 0x%lx\n", what, rv, wanted);
        exit(1);
    }
}

static DWORD WINAPI wait_for_event(void *nothing)
{
    CK_SLOT_ID slot;
    (void)nothing;
    /* Ended by C_Finalize. */
    p11->C_WaitForSlotEvent(0, &slot, NULL);
    return 0;
}

int main(int count, char **words)
{
    if (count != 2 && count != 4)
        return 2;
    HMODULE module = LoadLibraryA(words[1]);
    if (!module) {
        printf("FAILED LoadLibrary: %lu\n", GetLastError());
        return 1;
    }
    CK_RV (*get)(CK_FUNCTION_LIST **) = (CK_RV (*)(CK_FUNCTION_LIST **))(void *)GetProcAddress(module, "C_GetFunctionList");
    check(get(&p11), CKR_OK, "C_GetFunctionList");
    check(p11->C_Initialize(NULL), CKR_OK, "C_Initialize");
    CK_INFO info;
    check(p11->C_GetInfo(&info), CKR_OK, "C_GetInfo");
    printf("library %.32s\n", info.libraryDescription);
    CK_SLOT_ID slots[8];
    CK_ULONG slot_count = 8;
    check(p11->C_GetSlotList(CK_TRUE, slots, &slot_count), CKR_OK, "C_GetSlotList");
    printf("tokens %lu\n", slot_count);
    for (CK_ULONG at = 0; at < slot_count; at++) {
        CK_TOKEN_INFO token;
        check(p11->C_GetTokenInfo(slots[at], &token), CKR_OK, "C_GetTokenInfo");
        CK_SLOT_INFO slot;
        check(p11->C_GetSlotInfo(slots[at], &slot), CKR_OK, "C_GetSlotInfo");
        printf("token %.32s\nin %.64s\n", token.label, slot.slotDescription);
    }
    if (count == 2) {
        check(p11->C_Finalize(NULL), CKR_OK, "C_Finalize");
        return 0;
    }
    CK_SESSION_HANDLE session;
    check(p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION, NULL, NULL, &session), CKR_OK, "C_OpenSession");
    CK_UTF8CHAR_PTR pin = (CK_UTF8CHAR_PTR)words[2];
    check(p11->C_Login(session, CKU_USER, pin, (CK_ULONG)-1), CKR_ARGUMENTS_BAD, "C_Login with a length of -1");
    check(p11->C_Login(session, CKU_USER, pin, strlen(words[2])), CKR_OK, "C_Login");
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof class}};
    CK_OBJECT_HANDLE key;
    CK_ULONG found;
    check(p11->C_FindObjectsInit(session, template, 1), CKR_OK, "C_FindObjectsInit");
    check(p11->C_FindObjects(session, &key, 1, &found), CKR_OK, "C_FindObjects");
    check(p11->C_FindObjectsFinal(session), CKR_OK, "C_FindObjectsFinal");
    for (int time = 0; time < 2; time++) {
        CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
        CK_BYTE signature[512];
        CK_ULONG room = sizeof signature;
        check(p11->C_SignInit(session, &mechanism, key), CKR_OK, "C_SignInit");
        check(p11->C_Sign(session, (CK_BYTE_PTR) "what is signed", 14, signature, &room), CKR_OK, "C_Sign");
        FILE *file = fopen(words[3], "wb");
        fwrite(signature, 1, room, file);
        fclose(file);
        printf("signature %lu bytes\n", room);
    }
    CK_SLOT_ID slot;
    check(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL), CKR_NO_EVENT, "C_WaitForSlotEvent");
    LONG (*asked)(void) = (LONG (*)(void))(void *)GetProcAddress(GetModuleHandleA("winscard.dll"), "asked");
    HANDLE waiter = CreateThread(NULL, 0, wait_for_event, NULL, 0, NULL);
    Sleep(500);
    LONG before = asked();
    Sleep(2000);
    /* Once in a second would be much. */
    printf("a wait is %s\n", asked() - before <= 4 ? "quiet" : "busy");
    check(p11->C_Finalize(NULL), CKR_OK, "C_Finalize");
    printf("the wait %s\n", WaitForSingleObject(waiter, 5000) == WAIT_OBJECT_0 ? "ended" : "goes on");
    /* A thread of the module may still be inside: it stays. */
    FreeLibrary(module);
    printf("unloaded, and %s\n", GetModuleHandleA("jpki-pkcs11.dll") ? "kept" : "gone");
    return 0;
}
