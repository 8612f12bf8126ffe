/* Calls every function of the list with nothing, with lengths without buffers and with handles of
   nobody, then signs with buffers that are exact and one byte short. Run by tests/valgrind
   and tests/address-sanitizer, on a virtual card. It expects answers and no particular codes but where it says so;
   the codes are judged by tests/it/api/null_pointers.rs and tests/it/api/two_calls.rs. */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST *p11;

static void expect(const char *what, CK_RV rv, CK_RV wanted)
{
    if (rv == wanted)
        return;
    fprintf(stderr, "%s: 0x%lx instead of 0x%lx\n", what, rv, wanted);
    exit(1);
}

/* Ten words are more than any function of the list takes; it does not see the others. */
typedef CK_RV (*any_function)(CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG,
                              CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG, CK_ULONG);

/* Every function with a first word (session, slot) and nothing else. */
static unsigned call_all(CK_ULONG first)
{
    any_function *functions = (any_function *)&p11->C_Initialize;
    any_function *end = (any_function *)(p11 + 1);
    unsigned calls = 0;
    for (; functions < end; functions++) {
        any_function it = *functions;
        /* These begin with a pointer, end what others need, or wait. */
        if (it == (any_function)p11->C_Initialize || it == (any_function)p11->C_Finalize ||
            it == (any_function)p11->C_GetInfo || it == (any_function)p11->C_GetFunctionList ||
            it == (any_function)p11->C_CloseSession || it == (any_function)p11->C_CloseAllSessions ||
            it == (any_function)p11->C_WaitForSlotEvent)
            continue;
        it(first, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        calls++;
    }
    return calls;
}

/* Lengths without buffers, buffers of other lengths than they claim to need, templates that never end. */
static unsigned call_badly(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    static const CK_ULONG lengths[] = { 1, 7, 300, (CK_ULONG)-1 / 2, (CK_ULONG)-1 };
    CK_BYTE *one = malloc(1), *pin = malloc(300);
    CK_MECHANISM pss = { CKM_RSA_PKCS_PSS, one, 1 };
    CK_ATTRIBUTE attribute = { CKA_MODULUS, one, 1 };
    CK_ULONG length = 1, count;
    unsigned i;
    memset(pin, '1', 300);
    one[0] = 0;
    for (i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        CK_ULONG n = lengths[i];
        p11->C_Login(session, CKU_USER, NULL, n);
        p11->C_SetPIN(session, NULL, n, NULL, n);
        p11->C_FindObjectsInit(session, NULL, n);
        p11->C_FindObjects(session, NULL, n, &count);
        p11->C_GetAttributeValue(session, key, NULL, n);
        p11->C_CreateObject(session, NULL, n, &count);
        p11->C_Sign(session, NULL, n, one, &length);
        p11->C_Verify(session, NULL, n, NULL, n);
        p11->C_DigestUpdate(session, NULL, n);
        p11->C_GenerateRandom(session, NULL, n);
        p11->C_SeedRandom(session, NULL, n);
        pss.ulParameterLen = n > 1 ? 1 : n;
        p11->C_SignInit(session, &pss, key);
        attribute.ulValueLen = 1;
        p11->C_GetAttributeValue(session, key, &attribute, 1);
    }
    expect("C_SetPIN, 300 bytes", p11->C_SetPIN(session, pin, 300, pin, 300), CKR_PIN_LEN_RANGE);
    free(one);
    free(pin);
    return 13 * i + 1;
}

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS class)
{
    CK_ATTRIBUTE template = { CKA_CLASS, &class, sizeof class };
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;
    expect("C_FindObjectsInit", p11->C_FindObjectsInit(session, &template, 1), CKR_OK);
    expect("C_FindObjects", p11->C_FindObjects(session, &object, 1, &count), CKR_OK);
    expect("C_FindObjectsFinal", p11->C_FindObjectsFinal(session), CKR_OK);
    if (count != 1)
        expect("found", count, 1);
    return object;
}

static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = { CKM_SHA256_RSA_PKCS, NULL, 0 };
    CK_BYTE *data = malloc(3), *small, *exact;
    CK_ULONG length = 0;
    memcpy(data, "abc", 3);
    expect("C_SignInit", p11->C_SignInit(session, &mechanism, key), CKR_OK);
    expect("C_Sign, length", p11->C_Sign(session, data, 3, NULL, &length), CKR_OK);
    small = malloc(length - 1);
    exact = malloc(length);
    length -= 1;
    expect("C_Sign, small", p11->C_Sign(session, data, 3, small, &length), CKR_BUFFER_TOO_SMALL);
    expect("C_Sign, exact", p11->C_Sign(session, data, 3, exact, &length), CKR_OK);
    free(data);
    free(small);
    free(exact);
}

int main(int argc, char **argv)
{
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    CK_C_GetFunctionList list = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
    CK_SESSION_HANDLE session = 0;
    CK_SLOT_ID slots[2];
    CK_ULONG count = 2;
    unsigned calls;
    if (!list) {
        fprintf(stderr, "usage: hostile MODULE; %s\n", dlerror());
        return 2;
    }
    expect("C_GetFunctionList", list(&p11), CKR_OK);
    calls = call_all(1);
    expect("C_Initialize", p11->C_Initialize(NULL), CKR_OK);
    expect("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    calls += call_all(0) + call_all(999) + call_all((CK_ULONG)-1);
    expect("C_OpenSession",
           p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), CKR_OK);
    calls += call_all(session);
    expect("C_Login", p11->C_Login(session, CKU_USER, (CK_BYTE *)"1234", 4), CKR_OK);
    calls += call_badly(session, find(session, CKO_PRIVATE_KEY));
    sign(session, find(session, CKO_PRIVATE_KEY));
    expect("C_CloseSession", p11->C_CloseSession(session), CKR_OK);
    expect("C_Finalize", p11->C_Finalize(NULL), CKR_OK);
    printf("%u hostile calls, one signature\n", calls);
    return 0;
}
