/* A program with habits that a module must bear: `guest MODULE HABIT`. A card is in the reader. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static CK_FUNCTION_LIST *p11;

static void expect(const char *what, CK_RV rv, CK_RV wanted)
{
    if (rv != wanted) {
        printf("%s: 0x%lx, not 0x%lx\n", what, rv, wanted);
        exit(1);
    }
}

static CK_SESSION_HANDLE session(void)
{
    CK_SESSION_HANDLE handle = 0;
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    expect("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count), CKR_OK);
    expect("C_OpenSession", p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &handle), CKR_OK);
    return handle;
}

/* A login with the PIN, or by dialog, a signature and the end of the login. */
static CK_RV signs(CK_SESSION_HANDLE handle, const char *pin)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted = { CKA_CLASS, &class, sizeof class };
    CK_MECHANISM rsa = { CKM_SHA256_RSA_PKCS, NULL, 0 };
    CK_OBJECT_HANDLE key;
    CK_ULONG found = 0, length = 256;
    CK_BYTE signature[256];
    CK_RV rv = p11->C_Login(handle, CKU_USER, (CK_BYTE *)pin, pin ? strlen(pin) : 0);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN)
        return rv;
    if ((rv = p11->C_FindObjectsInit(handle, &wanted, 1)) != CKR_OK)
        return rv;
    rv = p11->C_FindObjects(handle, &key, 1, &found);
    p11->C_FindObjectsFinal(handle);
    if (rv != CKR_OK || found != 1)
        return rv ? rv : CKR_KEY_HANDLE_INVALID;
    if ((rv = p11->C_SignInit(handle, &rsa, key)) != CKR_OK)
        return rv;
    if ((rv = p11->C_Sign(handle, (CK_BYTE *)"data", 4, signature, &length)) != CKR_OK)
        return rv;
    return p11->C_Logout(handle);
}

static void *calls(void *unused)
{
    CK_ULONG count;
    for (;;) {
        p11->C_GetSlotList(CK_TRUE, NULL, &count);
        pthread_testcancel();
    }
    return unused;
}

/* Cancelled in the middle of calls, in both ways. */
static void cancels_threads(void)
{
    for (int i = 0; i < 200; i++) {
        pthread_t thread;
        void *result;
        pthread_create(&thread, NULL, calls, NULL);
        usleep(i * 37 % 3000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        if (result != PTHREAD_CANCELED)
            exit(1);
    }
}

/* The child has the process ID of its parent: each is the first one of a namespace. */
static void has_a_child_with_its_own_number(void)
{
    CK_SESSION_HANDLE handle = session();
    CK_SESSION_INFO info;
    int status;
    if (unshare(CLONE_NEWPID) != 0) {
        perror("unshare");
        exit(2);
    }
    pid_t child = fork();
    if (child == 0) {
        if (getpid() != 1)
            _exit(3);
        _exit(p11->C_GetSessionInfo(handle, &info) == CKR_CRYPTOKI_NOT_INITIALIZED ? 0 : 1);
    }
    waitpid(child, &status, 0);
    if (getpid() != 1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        printf("the child ended with %d\n", status);
        exit(1);
    }
    expect("C_GetSessionInfo", p11->C_GetSessionInfo(handle, &info), CKR_OK);
}

static void enters_an_empty_pin(int times)
{
    CK_SESSION_HANDLE handle = session();
    for (int i = 0; i < times; i++)
        p11->C_Login(handle, CKU_USER, (CK_BYTE *)"", 0);
}

/* Standard error is a pipe whose reader has gone. */
static void loses_its_reader(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(2);
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    enters_an_empty_pin(3);
}

/* Descriptor 2 is a file of the program's own, as in a daemon that has closed its standard streams. */
static void uses_descriptor_2(void)
{
    char name[] = "/tmp/guest-data-XXXXXX";
    struct stat file;
    int own = mkstemp(name);
    unlink(name);
    dup2(own, 2);
    close(own);
    enters_an_empty_pin(3);
    if (fstat(2, &file) != 0 || file.st_size != 0) {
        printf("%ld bytes in the program's file\n", (long)file.st_size);
        exit(1);
    }
}

/* A login by dialog and a signature; the pinentry is in the environment. */
static void logs_in_by_dialog(void)
{
    expect("login and signature", signs(session(), NULL), CKR_OK);
}

static void ignores_children(void)
{
    signal(SIGCHLD, SIG_IGN);
    logs_in_by_dialog();
}

static void reap(int number)
{
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void reaps_all_children(void)
{
    struct sigaction action = { .sa_handler = reap };
    sigaction(SIGCHLD, &action, NULL);
    logs_in_by_dialog();
}

static void tick(int number)
{
    (void)number;
}

/* A profiler's timer: each system call that waits is interrupted. */
static void is_interrupted(void)
{
    struct sigaction action = { .sa_handler = tick };
    struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    logs_in_by_dialog();
    setitimer(ITIMER_REAL, &never, NULL);
}

static void has_no_standard_streams(void)
{
    CK_SESSION_HANDLE handle = session();
    CK_RV rv;
    int out = fcntl(1, F_DUPFD, 100);
    close(0);
    close(1);
    close(2);
    rv = p11->C_Login(handle, CKU_USER, NULL, 0);
    dup2(out, 1);
    expect("C_Login", rv, CKR_OK);
}

/* No descriptor is left for a dialog; then there are some again. */
static void has_few_descriptors(void)
{
    CK_SESSION_HANDLE handle = session();
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &few);
    expect("C_Login", p11->C_Login(handle, CKU_USER, NULL, 0), CKR_FUNCTION_FAILED);
    setrlimit(RLIMIT_NOFILE, &before);
    expect("C_Login", p11->C_Login(handle, CKU_USER, NULL, 0), CKR_OK);
}

/* No descriptor is left for pcscd; then there are some again. */
static void runs_out_of_descriptors(void)
{
    struct rlimit before, few;
    CK_ULONG count = 1;
    expect("C_Finalize", p11->C_Finalize(NULL), CKR_OK);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &few);
    expect("C_Initialize", p11->C_Initialize(NULL), CKR_OK);
    expect("C_GetSlotList", p11->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
    setrlimit(RLIMIT_NOFILE, &before);
    if (count != 0) {
        printf("%lu slots without a descriptor\n", count);
        exit(1);
    }
    session();
}

/* All that needs the card, on a stack of 20 KiB. */
static void *signs_on_little_stack(void *unused)
{
    expect("login and signature", signs(session(), "1234"), CKR_OK);
    return unused;
}

static void has_small_stacks(void)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    if (pthread_attr_setstacksize(&small, 20 * 1024) != 0)
        exit(2);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, signs_on_little_stack, NULL) != 0)
            exit(2);
        pthread_join(thread, NULL);
    }
}

/* More than select(2) can name. Those of the module come above them. */
static void has_many_descriptors(void)
{
    struct rlimit many = { 4000, 4000 };
    expect("C_Finalize", p11->C_Finalize(NULL), CKR_OK);
    if (setrlimit(RLIMIT_NOFILE, &many) != 0)
        exit(2);
    for (int i = 0; i < 3000; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            exit(2);
    expect("C_Initialize", p11->C_Initialize(NULL), CKR_OK);
    logs_in_by_dialog();
}

/* Closes all but its standard streams, as a daemon does when it begins, and opens files of its own under the numbers
   that were the module's. */
static void closes_all_descriptors(void)
{
    enum { FILES = 40 };
    int own[FILES];
    struct stat before[FILES], after;
    CK_SESSION_HANDLE handle = session();
    CK_RV rv;
    expect("login and signature", signs(handle, "1234"), CKR_OK);
    for (int i = 3; i < 1024; i++)
        close(i);
    for (int i = 0; i < FILES; i++) {
        char name[] = "/tmp/guest-data-XXXXXX";
        own[i] = mkstemp(name);
        unlink(name);
        fstat(own[i], &before[i]);
    }
    rv = signs(handle, "1234");
    if (rv != CKR_OK) {
        printf("the next login: 0x%lx\n", rv);
        expect("another session", signs(session(), "1234"), CKR_OK);
    }
    expect("C_Finalize", p11->C_Finalize(NULL), CKR_OK);
    expect("C_Initialize", p11->C_Initialize(NULL), CKR_OK);
    expect("once more", signs(session(), "1234"), CKR_OK);
    for (int i = 0; i < FILES; i++)
        if (fstat(own[i], &after) != 0 || after.st_ino != before[i].st_ino || after.st_size != 0) {
            printf("descriptor %d of the program was closed or written to\n", own[i]);
            exit(1);
        }
}

/* The slots that are seen are printed. */
static void counts_slots(void)
{
    CK_ULONG count = 0;
    expect("C_GetSlotList", p11->C_GetSlotList(CK_FALSE, NULL, &count), CKR_OK);
    printf("%lu slots\n", count);
}

static void enters_an_empty_pin_often(void)
{
    enters_an_empty_pin(2000);
}

static void does_nothing(void)
{
}

static const struct {
    const char *name;
    void (*habit)(void);
} HABITS[] = {
    { "cancel", cancels_threads },
    { "namespace", has_a_child_with_its_own_number },
    { "pipe", loses_its_reader },
    { "repeat", enters_an_empty_pin_often },
    { "descriptor-2", uses_descriptor_2 },
    { "dialog", logs_in_by_dialog },
    { "ignored-children", ignores_children },
    { "reaped-children", reaps_all_children },
    { "timer", is_interrupted },
    { "no-streams", has_no_standard_streams },
    { "few-descriptors", has_few_descriptors },
    { "small-stacks", has_small_stacks },
    { "many-descriptors", has_many_descriptors },
    { "closed-descriptors", closes_all_descriptors },
    { "no-descriptors", runs_out_of_descriptors },
    { "slots", counts_slots },
    { "none", does_nothing },
};

int main(int argc, char **argv)
{
    void *library = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    CK_C_GetFunctionList list = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
    if (!list || list(&p11) != CKR_OK)
        return 2;
    /* PC/SC is called on the thread that is cancelled. */
    CK_C_INITIALIZE_ARGS in_place = { .flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS };
    expect("C_Initialize", p11->C_Initialize(strcmp(argv[2], "cancel") ? NULL : &in_place), CKR_OK);
    for (size_t i = 0; i < sizeof HABITS / sizeof *HABITS; i++)
        if (!strcmp(argv[2], HABITS[i].name)) {
            HABITS[i].habit();
            expect("C_Finalize", p11->C_Finalize(NULL), CKR_OK);
            return 0;
        }
    return 2;
}
