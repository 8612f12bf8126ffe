/* winscard.dll for tests under Wine, whose own one is a stub: one reader whose card is jpki-card-simulator. It is vpcd's end of
 * the protocol between vpcd and its card, on the port VPCD_PORT of loopback (0: no service), and keeps Windows' rules where they differ from
 * pcsc-lite's: the upper half of a reader's state counts events and is compared, and names are in the system's code page
 * (VPCD_READER: another name). */
#include <stdlib.h>
#include <string.h>
#define WINSCARDDATA __declspec(dllexport) /* the header would import its own data */
#include <winsock2.h>
#include <windows.h>
#include <winscard.h>

#define DLL __declspec(dllexport)

DLL const SCARD_IO_REQUEST g_rgSCardT0Pci = {SCARD_PROTOCOL_T0, sizeof(SCARD_IO_REQUEST)};
DLL const SCARD_IO_REQUEST g_rgSCardT1Pci = {SCARD_PROTOCOL_T1, sizeof(SCARD_IO_REQUEST)};
DLL const SCARD_IO_REQUEST g_rgSCardRawPci = {SCARD_PROTOCOL_RAW, sizeof(SCARD_IO_REQUEST)};

static CRITICAL_SECTION lock; /* the wire */
static SOCKET listener = INVALID_SOCKET, card = INVALID_SOCKET;
static DWORD events;
static BYTE atr[33];
static DWORD atr_length;
static char reader_name[64] = "Virtual PCD 0";

static int all(SOCKET s, BYTE *bytes, int length, int sends)
{
    for (int done = 0; done < length;) {
        int n = sends ? send(s, (char *)bytes + done, length - done, 0) : recv(s, (char *)bytes + done, length - done, 0);
        if (n <= 0)
            return 0;
        done += n;
    }
    return 1;
}

/* One message to the card and, if it gives one, the answer; its length or -1. */
static int talk(const BYTE *message, int length, BYTE *answer, int room)
{
    BYTE frame[2 + 65536], head[2];
    frame[0] = (BYTE)(length >> 8);
    frame[1] = (BYTE)length;
    memcpy(frame + 2, message, length);
    if (card == INVALID_SOCKET || !all(card, frame, length + 2, 1))
        return -1;
    if (!answer)
        return 0;
    if (!all(card, head, 2, 0))
        return -1;
    int size = head[0] << 8 | head[1];
    return size <= room && all(card, answer, size, 0) ? size : -1;
}

static void power(BYTE how)
{
    talk(&how, 1, NULL, 0);
}

/* Lets the card come in, for at most so many milliseconds, and sees whether it has gone. */
static void look(int milliseconds)
{
    struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    if (card != INVALID_SOCKET) {
        char byte;
        struct timeval none = {0, 0};
        FD_SET(card, &set);
        if (select(0, &set, NULL, NULL, &none) == 1 && recv(card, &byte, 1, MSG_PEEK) <= 0) {
            closesocket(card);
            card = INVALID_SOCKET;
            events++;
        }
        return;
    }
    FD_SET(listener, &set);
    if (select(0, &set, NULL, NULL, &time) == 1) {
        BYTE question = 4;
        card = accept(listener, NULL, NULL);
        power(1);
        int length = talk(&question, 1, atr, sizeof atr);
        atr_length = length > 0 ? (DWORD)length : 0;
        events++;
    }
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, void *reserved)
{
    (void)module, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH) {
        InitializeCriticalSection(&lock);
        /* Wine 8.0's GetEnvironmentVariableA cuts a value of letters with two bytes. */
        WCHAR name[32];
        if (GetEnvironmentVariableW(L"VPCD_READER", name, 32))
            WideCharToMultiByte(CP_ACP, 0, name, -1, reader_name, sizeof reader_name, NULL, NULL);
    }
    return TRUE;
}

DLL LONG WINAPI SCardEstablishContext(DWORD scope, LPCVOID one, LPCVOID two, LPSCARDCONTEXT context)
{
    (void)scope, (void)one, (void)two;
    EnterCriticalSection(&lock);
    if (listener == INVALID_SOCKET) {
        WSADATA data;
        struct sockaddr_in address = {0};
        const char *port = getenv("VPCD_PORT");
        WSAStartup(MAKEWORD(2, 2), &data);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons((u_short)atoi(port ? port : "0"));
        listener = socket(AF_INET, SOCK_STREAM, 0);
        if (!address.sin_port || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) {
            closesocket(listener);
            listener = INVALID_SOCKET;
            LeaveCriticalSection(&lock);
            return SCARD_E_NO_SERVICE;
        }
        look(5000);
    }
    LeaveCriticalSection(&lock);
    *context = 1;
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardReleaseContext(SCARDCONTEXT context) { return (void)context, SCARD_S_SUCCESS; }
DLL LONG WINAPI SCardIsValidContext(SCARDCONTEXT context) { return (void)context, SCARD_S_SUCCESS; }
static volatile LONG cancelled, questions;
/* How often the state was asked for. */
DLL LONG asked(void) { return questions; }
DLL LONG WINAPI SCardCancel(SCARDCONTEXT context) { return (void)context, InterlockedIncrement(&cancelled), SCARD_S_SUCCESS; }

DLL LONG WINAPI SCardListReadersA(SCARDCONTEXT context, LPCSTR groups, LPSTR readers, LPDWORD length)
{
    (void)context, (void)groups;
    DWORD room = *length, needed = (DWORD)strlen(reader_name) + 2;
    *length = needed;
    if (!readers)
        return SCARD_S_SUCCESS;
    if (room < needed)
        return SCARD_E_INSUFFICIENT_BUFFER;
    memcpy(readers, reader_name, needed - 1);
    readers[needed - 1] = 0;
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardGetStatusChangeA(SCARDCONTEXT context, DWORD timeout, LPSCARD_READERSTATEA states, DWORD count)
{
    LONG before = cancelled;
    InterlockedIncrement(&questions);
    ULONGLONG start = GetTickCount64();
    (void)context;
    for (;;) {
        int changed = 0;
        EnterCriticalSection(&lock);
        look(0);
        for (DWORD i = 0; i < count; i++) {
            SCARD_READERSTATEA *state = states + i;
            DWORD now = SCARD_STATE_UNKNOWN;
            if (strcmp(state->szReader, reader_name) == 0)
                now = (card == INVALID_SOCKET ? SCARD_STATE_EMPTY : SCARD_STATE_PRESENT) | events << 16;
            state->dwEventState = now;
            if ((state->dwCurrentState & ~(DWORD)SCARD_STATE_CHANGED) != now) {
                state->dwEventState |= SCARD_STATE_CHANGED;
                changed = 1;
            }
            state->cbAtr = card == INVALID_SOCKET ? 0 : atr_length;
            memcpy(state->rgbAtr, atr, atr_length);
        }
        LeaveCriticalSection(&lock);
        if (changed)
            return SCARD_S_SUCCESS;
        if (cancelled != before)
            return SCARD_E_CANCELLED;
        if (timeout != INFINITE && GetTickCount64() - start >= timeout)
            return SCARD_E_TIMEOUT;
        Sleep(20);
    }
}

DLL LONG WINAPI SCardConnectA(SCARDCONTEXT context, LPCSTR reader, DWORD mode, DWORD protocols, LPSCARDHANDLE handle, LPDWORD protocol)
{
    (void)context, (void)mode, (void)protocols;
    if (strcmp(reader, reader_name) != 0)
        return SCARD_E_UNKNOWN_READER;
    *handle = 1;
    *protocol = SCARD_PROTOCOL_T1;
    return card == INVALID_SOCKET ? (LONG)SCARD_E_NO_SMARTCARD : SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardReconnect(SCARDHANDLE handle, DWORD mode, DWORD protocols, DWORD first, LPDWORD protocol)
{
    (void)handle, (void)mode, (void)protocols;
    EnterCriticalSection(&lock);
    if (first == SCARD_RESET_CARD)
        power(2);
    LeaveCriticalSection(&lock);
    if (protocol)
        *protocol = SCARD_PROTOCOL_T1;
    return card == INVALID_SOCKET ? (LONG)SCARD_W_REMOVED_CARD : SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardDisconnect(SCARDHANDLE handle, DWORD how)
{
    (void)handle;
    EnterCriticalSection(&lock);
    if (how == SCARD_UNPOWER_CARD)
        power(0), power(1);
    LeaveCriticalSection(&lock);
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardBeginTransaction(SCARDHANDLE handle)
{
    (void)handle;
    EnterCriticalSection(&lock);
    look(0);
    if (card != INVALID_SOCKET)
        return SCARD_S_SUCCESS;
    LeaveCriticalSection(&lock);
    return SCARD_W_REMOVED_CARD;
}

DLL LONG WINAPI SCardEndTransaction(SCARDHANDLE handle, DWORD how)
{
    (void)handle;
    if (how == SCARD_UNPOWER_CARD)
        power(0), power(1);
    LeaveCriticalSection(&lock);
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardStatusA(SCARDHANDLE handle, LPSTR names, LPDWORD names_length, LPDWORD state, LPDWORD protocol, LPBYTE bytes, LPDWORD length)
{
    (void)handle;
    if (card == INVALID_SOCKET)
        return SCARD_W_REMOVED_CARD;
    if (state)
        *state = SCARD_SPECIFIC;
    if (protocol)
        *protocol = SCARD_PROTOCOL_T1;
    DWORD needed = (DWORD)strlen(reader_name) + 2;
    if (names && names_length && *names_length >= needed) {
        memcpy(names, reader_name, needed - 1);
        names[needed - 1] = 0;
    }
    if (names_length)
        *names_length = needed;
    if (bytes && length && *length >= atr_length)
        memcpy(bytes, atr, atr_length);
    if (length)
        *length = atr_length;
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardTransmit(SCARDHANDLE handle, LPCSCARD_IO_REQUEST send_pci, LPCBYTE command, DWORD command_length, LPSCARD_IO_REQUEST receive_pci,
                              LPBYTE answer, LPDWORD length)
{
    (void)handle, (void)send_pci, (void)receive_pci;
    int size = talk(command, (int)command_length, answer, (int)*length);
    if (size < 0)
        return SCARD_W_REMOVED_CARD;
    *length = (DWORD)size;
    return SCARD_S_SUCCESS;
}

DLL LONG WINAPI SCardControl(SCARDHANDLE handle, DWORD code, LPCVOID in, DWORD in_length, LPVOID out, DWORD out_room, LPDWORD out_length)
{
    (void)handle, (void)code, (void)in, (void)in_length, (void)out, (void)out_room;
    *out_length = 0;
    return SCARD_E_UNSUPPORTED_FEATURE;
}

DLL LONG WINAPI SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, LPBYTE bytes, LPDWORD length)
{
    (void)handle, (void)attribute, (void)bytes, (void)length;
    return SCARD_E_UNSUPPORTED_FEATURE;
}

DLL LONG WINAPI SCardSetAttrib(SCARDHANDLE handle, DWORD attribute, LPCBYTE bytes, DWORD length)
{
    (void)handle, (void)attribute, (void)bytes, (void)length;
    return SCARD_E_UNSUPPORTED_FEATURE;
}
