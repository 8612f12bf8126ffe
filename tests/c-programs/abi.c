/* A C program, and a C++ program too, against the standard's header and ours. It loads the module,
   uses it without any card, and prints what the compiler made of structures and constants: the test
   that runs it (tests/it/api/abi.rs) compares that with what the module was compiled from. */

#include <p11-kit/pkcs11.h>
#include "jpki_pkcs11.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CONSTANT(name) printf("constant %s %lu\n", #name, (unsigned long)(name))
#define SIZE(type) printf("size %s %lu\n", #type, (unsigned long)sizeof(type))
#define OFFSET(type, field) \
    printf("offset %s.%s %lu\n", #type, #field, (unsigned long)offsetof(type, field))

static int failures = 0;

static void expect(const char *what, CK_RV got, CK_RV wanted)
{
    if (got != wanted) {
        fprintf(stderr, "%s: 0x%lx and not 0x%lx\n", what, got, wanted);
        failures++;
    }
}

static void layout(void)
{
    CONSTANT(CKH_JPKI_CARD);
    CONSTANT(CKA_JPKI_PIN_TRIES_LEFT);
    CONSTANT(CKA_JPKI_PIN_TRIES_MAX);
    CONSTANT(CKA_JPKI_CERTIFICATE_END_DATE);
    CONSTANT(CKA_JPKI_CARD_KIND);
    CONSTANT(JPKI_CARD_PLASTIC);
    CONSTANT(JPKI_CARD_ANDROID);
    CONSTANT(JPKI_CARD_IPHONE);
    CONSTANT(JPKI_CARD_JUKI);
    SIZE(CK_ULONG);
    SIZE(CK_VERSION);
    SIZE(CK_INFO);
    SIZE(CK_SLOT_INFO);
    SIZE(CK_TOKEN_INFO);
    SIZE(CK_SESSION_INFO);
    SIZE(CK_ATTRIBUTE);
    SIZE(CK_MECHANISM);
    SIZE(CK_MECHANISM_INFO);
    SIZE(CK_C_INITIALIZE_ARGS);
    SIZE(CK_DATE);
    SIZE(CK_FUNCTION_LIST);
    OFFSET(CK_INFO, libraryVersion);
    OFFSET(CK_SLOT_INFO, flags);
    OFFSET(CK_TOKEN_INFO, flags);
    OFFSET(CK_TOKEN_INFO, ulMaxPinLen);
    OFFSET(CK_TOKEN_INFO, utcTime);
    OFFSET(CK_SESSION_INFO, flags);
    OFFSET(CK_ATTRIBUTE, pValue);
    OFFSET(CK_ATTRIBUTE, ulValueLen);
    OFFSET(CK_MECHANISM, pParameter);
    OFFSET(CK_MECHANISM_INFO, flags);
    OFFSET(CK_C_INITIALIZE_ARGS, flags);
    OFFSET(CK_C_INITIALIZE_ARGS, pReserved);
    OFFSET(CK_FUNCTION_LIST, C_Initialize);
    OFFSET(CK_FUNCTION_LIST, C_Sign);
    OFFSET(CK_FUNCTION_LIST, C_WaitForSlotEvent);
}

static void use(CK_FUNCTION_LIST *list)
{
    CK_INFO info;
    CK_ULONG count = 0;
    CK_SESSION_HANDLE session = 0;

    expect("before C_Initialize", list->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
    expect("C_Initialize", list->C_Initialize(NULL), CKR_OK);
    expect("again", list->C_Initialize(NULL), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    expect("C_GetInfo", list->C_GetInfo(&info), CKR_OK);
    expect("a NULL", list->C_GetInfo(NULL), CKR_ARGUMENTS_BAD);
    expect("C_GetSlotList", list->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
    expect("C_OpenSession", list->C_OpenSession(4711, CKF_SERIAL_SESSION, NULL, NULL, &session),
           CKR_SLOT_ID_INVALID);
    expect("C_Login", list->C_Login(4711, CKU_USER, NULL, 0), CKR_SESSION_HANDLE_INVALID);
    expect("C_EncryptInit", list->C_EncryptInit(4711, NULL, 0), CKR_SESSION_HANDLE_INVALID);
    expect("C_Finalize", list->C_Finalize(NULL), CKR_OK);
    expect("after C_Finalize", list->C_Finalize(NULL), CKR_CRYPTOKI_NOT_INITIALIZED);
}

int main(int count, char **words)
{
    void *module;
    CK_RV (*get_function_list)(CK_FUNCTION_LIST **);
    CK_FUNCTION_LIST *list = NULL;

    if (count != 2) {
        fprintf(stderr, "usage: %s MODULE\n", words[0]);
        return 2;
    }
    layout();
    module = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (module == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    *(void **)&get_function_list = dlsym(module, "C_GetFunctionList");
    if (get_function_list == NULL || dlsym(module, "C_GetInterface") == NULL
        || dlsym(module, "C_GetInterfaceList") == NULL) {
        fprintf(stderr, "an entry point is missing\n");
        return 1;
    }
    if (dlsym(module, "C_Initialize") != NULL) {
        fprintf(stderr, "C_Initialize is exported\n");
        return 1;
    }
    expect("C_GetFunctionList", get_function_list(&list), CKR_OK);
    expect("C_GetFunctionList(NULL)", get_function_list(NULL), CKR_ARGUMENTS_BAD);
    if (list->version.major != 2 || list->version.minor != 40) {
        fprintf(stderr, "version %d.%d\n", list->version.major, list->version.minor);
        return 1;
    }
    use(list);
    use(list);
    /* It stays loaded: a call after dlclose is what Java and old NSS do. */
    dlclose(module);
    use(list);
    return failures != 0;
}
