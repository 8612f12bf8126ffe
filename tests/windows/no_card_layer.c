/* For pkcs11-tool.exe without libopensc: its file util.c names functions of OpenSC's own card layer, which pkcs11-tool never calls. */
#include <stdio.h>
#include <stdlib.h>

#define ABSENT(name)                            \
    void name(void)                             \
    {                                           \
        fputs("called: " #name "\n", stderr);   \
        exit(126);                              \
    }

ABSENT(sc_asn1_decode_algorithm_id)
ABSENT(sc_asn1_encode_algorithm_id)
ABSENT(sc_connect_card)
ABSENT(sc_ctx_detect_readers)
ABSENT(sc_ctx_get_reader)
ABSENT(sc_ctx_get_reader_by_name)
ABSENT(sc_ctx_get_reader_count)
ABSENT(sc_ctx_log_to_file)
ABSENT(sc_disconnect_card)
ABSENT(sc_lock)
ABSENT(sc_notify_init)
ABSENT(sc_wait_for_event)

/* Its own module, for a build that holds it. */
void *pkcs11_function_list_3_0;

/* At each error. */
void sc_notify_close(void)
{
}
