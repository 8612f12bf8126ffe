/* Loads the module as a program does, and ends in one of the ways programs end. It knows the C types
   of PKCS#11 that it needs, and no other header. Usage: loader WAY MODULE */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned long rv_t;
struct version { unsigned char major, minor; };
/* The beginning of CK_FUNCTION_LIST. */
struct list {
    struct version version;
    rv_t (*initialize)(void *);
    rv_t (*finalize)(void *);
    rv_t (*get_info)(void *);
    void *get_function_list;
    rv_t (*get_slot_list)(unsigned char, unsigned long *, unsigned long *);
};
enum { OK = 0, NOT_INITIALIZED = 0x190, ALREADY_INITIALIZED = 0x191 };

#define MUST(condition) \
    do { if (!(condition)) { fprintf(stderr, "line %d: %s\n", __LINE__, #condition); _exit(1); } } while (0)

static struct list *load(const char *path, void **handle)
{
    rv_t (*get)(struct list **) = NULL;
    struct list *list = NULL;
    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!*handle) { fprintf(stderr, "%s\n", dlerror()); _exit(1); }
    *(void **)&get = dlsym(*handle, "C_GetFunctionList");
    MUST(get && get(&list) == OK && list);
    return list;
}

static void *poll_slots(void *argument)
{
    struct list *list = argument;
    for (int i = 0; i < 2000; i++) {
        unsigned long count = 0;
        rv_t rv = list->get_slot_list(1, NULL, &count);
        MUST(rv == OK || rv == NOT_INITIALIZED);
    }
    return NULL;
}

static int child_is_empty(struct list *list)
{
    unsigned long count = 0;
    pid_t child = fork();
    int status = -1;
    MUST(child >= 0);
    if (child == 0) {
        MUST(list->get_slot_list(1, NULL, &count) == NOT_INITIALIZED);
        MUST(list->initialize(NULL) == OK);
        MUST(list->get_slot_list(1, NULL, &count) == OK && count == 0);
        MUST(list->finalize(NULL) == OK);
        /* exit, not _exit: what the library left to run at the end runs in a child too. */
        exit(0);
    }
    MUST(waitpid(child, &status, 0) == child);
    return status == 0;
}

int main(int argc, char **argv)
{
    void *handle;
    struct list *list;
    unsigned long count = 0;
    MUST(argc == 3);
    list = load(argv[2], &handle);
    if (!strcmp(argv[1], "again")) {
        MUST(list->initialize(NULL) == OK && list->finalize(NULL) == OK);
        return 0;
    }
    MUST(list->initialize(NULL) == OK);
    MUST(list->initialize(NULL) == ALREADY_INITIALIZED);
    MUST(list->get_slot_list(1, NULL, &count) == OK && count == 0);
    if (!strcmp(argv[1], "reload")) {
        /* dlclose without C_Finalize too: the library stays, and its pointers stay good. */
        for (int i = 0; i < 200; i++) {
            if (i % 2) MUST(list->finalize(NULL) == OK);
            MUST(dlclose(handle) == 0);
            if (i % 2 == 0) MUST(list->get_slot_list(1, NULL, &count) == OK);
            list = load(argv[2], &handle);
            MUST(list->initialize(NULL) == (i % 2 ? OK : ALREADY_INITIALIZED));
        }
        return 0;
    }
    if (!strcmp(argv[1], "exit"))
        return 0; /* without C_Finalize */
    if (!strcmp(argv[1], "fork")) {
        for (int i = 0; i < 50; i++) MUST(child_is_empty(list));
        MUST(list->get_slot_list(1, NULL, &count) == OK);
        return list->finalize(NULL) != OK;
    }
    if (!strcmp(argv[1], "exec")) {
        pid_t child = fork();
        int status = -1;
        if (child == 0) {
            execl(argv[0], argv[0], "again", argv[2], (char *)NULL);
            _exit(1);
        }
        MUST(waitpid(child, &status, 0) == child && status == 0);
        return list->finalize(NULL) != OK;
    }
    if (!strcmp(argv[1], "threads")) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) MUST(pthread_create(&threads[i], NULL, poll_slots, list) == 0);
        for (int i = 0; i < 100; i++) {
            MUST(child_is_empty(list));
            if (i % 10 == 0) MUST(list->finalize(NULL) == OK && list->initialize(NULL) == OK);
        }
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        return 0;
    }
    return 2;
}
