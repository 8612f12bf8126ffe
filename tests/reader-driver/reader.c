/* An IFD handler for tests: a reader with the abilities that vpcd's does not have. The card simulator connects to its
 * port, as to vpcd's: two bytes of length, then a command of one byte (0 off, 1 on, 2 reset, 4 ATR) or an APDU.
 *
 * DEVICENAME /dev/null:0xPORT[:apdu=N][:lies][:pad=FILE]
 *   apdu=N    dwMaxAPDUDataSize (PC/SC part 10); up to 256, extended APDUs are refused
 *   lies      they are refused all the same
 *   pad=FILE  a PIN pad: each VERIFY_PIN_DIRECT types the next line of the file: digits, `cancel` or `timeout`;
 *             MODIFY_PIN_DIRECT the next two, for the new PIN and its repetition
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ifdhandler.h>
#include <reader.h>

#define MOST 65544

static struct {
    int listener, card;
    unsigned long most; /* 0: no property */
    int lies;
    char pad[256];
    int typed;
    unsigned char atr[MAX_ATR_SIZE];
    DWORD atr_length;
} reader = { -1, -1, 0, 0, "", 0, { 0 }, 0 };

static void lose_card(void)
{
    if (reader.card >= 0)
        close(reader.card);
    reader.card = -1;
    reader.atr_length = 0;
}

static int whole(int fd, unsigned char *bytes, size_t length, int writing)
{
    size_t done = 0;
    while (done < length) {
        struct pollfd wait = { fd, writing ? POLLOUT : POLLIN, 0 };
        ssize_t now;
        if (poll(&wait, 1, 8000) != 1)
            return -1;
        now = writing ? send(fd, bytes + done, length - done, MSG_NOSIGNAL) : recv(fd, bytes + done, length - done, 0);
        if (now <= 0)
            return -1;
        done += now;
    }
    return 0;
}

/* One message to the card and, with room, its answer. */
static long talk(const unsigned char *message, size_t length, unsigned char *answer, size_t room)
{
    static unsigned char out[MOST + 2], in[MOST];
    unsigned char head[2];
    size_t got;
    if (reader.card < 0 || length > MOST)
        return -1;
    out[0] = length >> 8;
    out[1] = length;
    memcpy(out + 2, message, length);
    if (whole(reader.card, out, length + 2, 1) != 0)
        goto lost;
    if (!answer)
        return 0;
    if (whole(reader.card, head, 2, 0) != 0)
        goto lost;
    got = head[0] << 8 | head[1];
    if (whole(reader.card, in, got, 0) != 0)
        goto lost;
    if (got > room)
        return -1;
    memcpy(answer, in, got);
    return got;
lost:
    lose_card();
    return -1;
}

static long ask_atr(void)
{
    const unsigned char atr = 4;
    long length = talk(&atr, 1, reader.atr, sizeof reader.atr);
    reader.atr_length = length > 0 ? length : 0;
    return length;
}

RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name)
{
    struct sockaddr_in place = { .sin_family = AF_INET };
    const char *port = strchr(name, ':'), *option;
    int on = 1;
    (void)lun;
    if (!port || reader.listener >= 0)
        return IFD_COMMUNICATION_ERROR;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    place.sin_port = htons(strtoul(port + 1, NULL, 16));
    if ((option = strstr(name, ":apdu=")))
        reader.most = strtoul(option + 6, NULL, 10);
    reader.lies = strstr(name, ":lies") != NULL;
    if ((option = strstr(name, ":pad=")))
        sscanf(option + 5, "%255[^:]", reader.pad);
    reader.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(reader.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(reader.listener, (struct sockaddr *)&place, sizeof place) != 0 || listen(reader.listener, 4) != 0) {
        close(reader.listener);
        reader.listener = -1;
        return IFD_COMMUNICATION_ERROR;
    }
    return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel)
{
    (void)lun, (void)channel;
    return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHCloseChannel(DWORD lun)
{
    (void)lun;
    lose_card();
    if (reader.listener >= 0)
        close(reader.listener);
    reader.listener = -1;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
    (void)lun;
    switch (tag) {
    case TAG_IFD_ATR:
    case SCARD_ATTR_ATR_STRING:
        if (*length < reader.atr_length)
            return IFD_ERROR_INSUFFICIENT_BUFFER;
        memcpy(value, reader.atr, reader.atr_length);
        *length = reader.atr_length;
        return IFD_SUCCESS;
    case TAG_IFD_SLOTS_NUMBER:
    case TAG_IFD_SIMULTANEOUS_ACCESS:
        *length = 1;
        *value = 1;
        return IFD_SUCCESS;
    case TAG_IFD_THREAD_SAFE:
    case TAG_IFD_SLOT_THREAD_SAFE:
        *length = 1;
        *value = 0;
        return IFD_SUCCESS;
    }
    return IFD_ERROR_TAG;
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value)
{
    (void)lun, (void)tag, (void)length, (void)value;
    return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3)
{
    (void)lun, (void)protocol, (void)flags, (void)pts1, (void)pts2, (void)pts3;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length)
{
    unsigned char command = action == IFD_POWER_DOWN ? 0 : action == IFD_RESET ? 2 : 1;
    (void)lun;
    *length = 0;
    if (talk(&command, 1, NULL, 0) < 0)
        return IFD_COMMUNICATION_ERROR;
    if (action == IFD_POWER_DOWN)
        return IFD_SUCCESS;
    if (ask_atr() <= 0)
        return IFD_ERROR_POWER_ACTION;
    memcpy(atr, reader.atr, reader.atr_length);
    *length = reader.atr_length;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send_pci, PUCHAR command, DWORD length, PUCHAR answer,
                               PDWORD room, PSCARD_IO_HEADER receive_pci)
{
    long got;
    (void)lun, (void)send_pci, (void)receive_pci;
    /* As a reader that knows short APDUs alone. */
    if (length > 5 && command[4] == 0 && (reader.lies || reader.most <= 256)) {
        *room = 0;
        return IFD_COMMUNICATION_ERROR;
    }
    got = talk(command, length, answer, *room);
    *room = got > 0 ? got : 0;
    return got > 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

static DWORD put_feature(unsigned char *place, unsigned char tag)
{
    const unsigned long code = SCARD_CTL_CODE(2000 + tag);
    const unsigned char entry[] = { tag, 4, code >> 24, code >> 16, code >> 8, code };
    memcpy(place, entry, sizeof entry);
    return sizeof entry;
}

/* The next line of the file. */
static void next_line(char line[32])
{
    FILE *file = fopen(reader.pad, "r");
    strcpy(line, "timeout");
    for (int i = 0; file && i <= reader.typed; i++)
        if (!fgets(line, 32, file))
            strcpy(line, "timeout");
    if (file)
        fclose(file);
    reader.typed++;
    line[strcspn(line, "\n")] = 0;
}

/* PIN_VERIFY_STRUCTURE or PIN_MODIFY_STRUCTURE, packed: wPINMaxExtraDigit (most, then least) at `limits`, the APDU at
 * `apdu`. The digits go where the PIN stands, from byte 5 of the APDU on. */
static RESPONSECODE type_pin(const unsigned char *block, DWORD length, int limits, int apdu, int twice,
                             unsigned char *answer, PDWORD got)
{
    static const unsigned char cancelled[] = { 0x64, 0x01 }, timed_out[] = { 0x64, 0x00 }, differ[] = { 0x64, 0x02 };
    unsigned char command[32];
    char line[32], again[32];
    size_t digits;
    long result;
    next_line(line);
    digits = strlen(line);
    *got = 2;
    if (!strcmp(line, "cancel"))
        return memcpy(answer, cancelled, 2), IFD_SUCCESS;
    if (!strcmp(line, "timeout") || length < (DWORD)apdu + 5 || digits < block[limits + 1] || digits > block[limits])
        return memcpy(answer, timed_out, 2), IFD_SUCCESS;
    if (twice) {
        next_line(again);
        if (strcmp(line, again))
            return memcpy(answer, differ, 2), IFD_SUCCESS;
    }
    memcpy(command, block + apdu, 4);
    command[4] = digits;
    memcpy(command + 5, line, digits);
    result = talk(command, 5 + digits, answer, 258);
    memset(command, 0, sizeof command);
    *got = result > 0 ? result : 0;
    return result > 0 ? IFD_SUCCESS : IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR in, DWORD in_length, PUCHAR out, DWORD room, LPDWORD got)
{
    (void)lun;
    *got = 0;
    if (code == CM_IOCTL_GET_FEATURE_REQUEST && room >= 18) {
        if (reader.most)
            *got += put_feature(out + *got, FEATURE_GET_TLV_PROPERTIES);
        if (*reader.pad) {
            *got += put_feature(out + *got, FEATURE_VERIFY_PIN_DIRECT);
            *got += put_feature(out + *got, FEATURE_MODIFY_PIN_DIRECT);
        }
        return IFD_SUCCESS;
    }
    if (code == SCARD_CTL_CODE(2000 + FEATURE_GET_TLV_PROPERTIES) && reader.most && room >= 6) {
        const unsigned char property[] = { PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize, 4, reader.most, reader.most >> 8,
                                           reader.most >> 16, reader.most >> 24 };
        memcpy(out, property, sizeof property);
        *got = sizeof property;
        return IFD_SUCCESS;
    }
    if (code == SCARD_CTL_CODE(2000 + FEATURE_VERIFY_PIN_DIRECT) && *reader.pad && room >= 258)
        return type_pin(in, in_length, 5, 19, 0, out, got);
    if (code == SCARD_CTL_CODE(2000 + FEATURE_MODIFY_PIN_DIRECT) && *reader.pad && room >= 258)
        return type_pin(in, in_length, 7, 24, 1, out, got);
    return IFD_ERROR_NOT_SUPPORTED;
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
    struct pollfd waiting = { reader.listener, POLLIN, 0 };
    int on = 1;
    (void)lun;
    if (reader.card >= 0) {
        /* A card that has gone has closed its end. */
        struct pollfd gone = { reader.card, POLLIN, 0 };
        unsigned char byte;
        if (poll(&gone, 1, 0) == 1 && recv(reader.card, &byte, 1, MSG_PEEK) <= 0)
            lose_card();
    }
    while (reader.card < 0 && poll(&waiting, 1, 0) == 1) {
        reader.card = accept(reader.listener, NULL, NULL);
        setsockopt(reader.card, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        /* Somebody who only looks whether the port is there is no card. */
        if (ask_atr() <= 0)
            lose_card();
    }
    return reader.card >= 0 ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
}
