/* The bytes of a DICOM verification, and reading and writing them whole. Shared by every program here. */
#ifndef WIRE_H
#define WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { A_ASSOCIATE_RQ = 1, A_ASSOCIATE_AC = 2, P_DATA_TF = 4, A_RELEASE_RQ = 5, A_RELEASE_RP = 6 };
enum { STATUS = 0x0900, MESSAGE_ID_RESPONDED_TO = 0x0120, COMMAND_FIELD = 0x0100 };
enum { HEADER = 6, LONGEST_PDU = 65536, MESSAGE_ID_AT = 68, ECHO_RQ_SIZE = 80, ECHO_RSP_SIZE = 90 };

/* PS3.8 9.3.5 around PS3.7 9.3.5.1; the message id is at MESSAGE_ID_AT in both. */
static const unsigned char ECHO_RQ[] =
    "\x04\x00\x00\x00\x00\x4a" "\x00\x00\x00\x46\x01\x03"
    "\x00\x00\x00\x00\x04\x00\x00\x00\x38\x00\x00\x00"
    "\x00\x00\x02\x00\x12\x00\x00\x00" "1.2.840.10008.1.1\x00"
    "\x00\x00\x00\x01\x02\x00\x00\x00\x30\x00"
    "\x00\x00\x10\x01\x02\x00\x00\x00\x01\x00"
    "\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01";
static const unsigned char ECHO_RSP[] =
    "\x04\x00\x00\x00\x00\x54" "\x00\x00\x00\x50\x01\x03"
    "\x00\x00\x00\x00\x04\x00\x00\x00\x42\x00\x00\x00"
    "\x00\x00\x02\x00\x12\x00\x00\x00" "1.2.840.10008.1.1\x00"
    "\x00\x00\x00\x01\x02\x00\x00\x00\x30\x80"
    "\x00\x00\x20\x01\x02\x00\x00\x00\x01\x00"
    "\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
    "\x00\x00\x00\x09\x02\x00\x00\x00\x00\x00";
_Static_assert(sizeof ECHO_RQ == ECHO_RQ_SIZE + 1, "C-ECHO-RQ");
_Static_assert(sizeof ECHO_RSP == ECHO_RSP_SIZE + 1, "C-ECHO-RSP");
static const unsigned char RELEASE_RQ[10] = {A_RELEASE_RQ, 0, 0, 0, 0, 4};
static const unsigned char RELEASE_RP[10] = {A_RELEASE_RP, 0, 0, 0, 0, 4};

static inline void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "not what was expected");
    exit(1);
}

static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* As many connections as the system lets a program have without asking. */
static inline void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* The length of the PDU that begins at p, its header included, or 0 while that cannot be known. */
static inline size_t pdu_size(const unsigned char *p, size_t have)
{
    if (have < HEADER)
        return 0;
    size_t size = HEADER + (((size_t)p[2] << 24) | (p[3] << 16) | (p[4] << 8) | p[5]);
    if (size > LONGEST_PDU) {
        errno = EMSGSIZE;
        die("PDU length");
    }
    return size;
}

/* The unsigned short value of a command element in a P-DATA-TF with one PDV, or -1. */
static inline int command_value(const unsigned char *pdu, size_t size, int element)
{
    for (size_t at = 12; at + 10 <= size;) {
        size_t length = pdu[at + 4] | (pdu[at + 5] << 8);
        if ((pdu[at + 2] | (pdu[at + 3] << 8)) == element && length == 2)
            return pdu[at + 8] | (pdu[at + 9] << 8);
        at += 8 + length;
    }
    return -1;
}

static inline int is_success(const unsigned char *pdu, size_t size, int message_id)
{
    return pdu[0] == P_DATA_TF && command_value(pdu, size, MESSAGE_ID_RESPONDED_TO) == message_id &&
           command_value(pdu, size, STATUS) == 0;
}

static inline void put_message_id(unsigned char *pdu, int message_id)
{
    pdu[MESSAGE_ID_AT] = message_id & 0xff;
    pdu[MESSAGE_ID_AT + 1] = message_id >> 8;
}

static inline int next_message_id(int message_id) { return message_id % 65535 + 1; }

static inline size_t put_item(unsigned char *out, int type, const void *value, size_t length)
{
    out[0] = type;
    out[1] = 0;
    out[2] = length >> 8;
    out[3] = length & 0xff;
    memmove(out + 4, value, length);
    return 4 + length;
}

static inline size_t put_text(unsigned char *out, int type, const char *text)
{
    return put_item(out, type, text, strlen(text));
}

static inline size_t put_user_information(unsigned char *out)
{
    unsigned char items[128];
    size_t n = put_item(items, 0x51, "\x00\x00\x40\x00", 4);
    n += put_text(items + n, 0x52, "1.2.276.0.7230010.3.0.3.6.7");
    n += put_text(items + n, 0x55, "OFFIS_DCMTK_367");
    return put_item(out, 0x50, items, n);
}

static inline void finish_pdu(unsigned char *out, int type, size_t size)
{
    size_t length = size - HEADER;
    out[0] = type;
    out[1] = 0;
    for (int i = 0; i < 4; i++)
        out[2 + i] = (length >> (8 * (3 - i))) & 0xff;
}

/* What DCMTK's echoscu sends by default: one context, implicit VR little endian. */
static inline size_t put_associate_rq(unsigned char *out)
{
    unsigned char context[128] = {1, 0, 0, 0};
    size_t n = 4;
    n += put_text(context + n, 0x30, "1.2.840.10008.1.1");
    n += put_text(context + n, 0x40, "1.2.840.10008.1.2");
    memset(out, 0, 74);
    out[7] = 1;
    memcpy(out + 10, "ANY-SCP         ECHOSCU         ", 32);
    size_t size = 74;
    size += put_text(out + size, 0x10, "1.2.840.10008.3.1.1.1");
    size += put_item(out + size, 0x20, context, n);
    size += put_user_information(out + size);
    finish_pdu(out, A_ASSOCIATE_RQ, size);
    return size;
}

static inline void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void acknowledge_now(int fd)
{
#ifdef TCP_QUICKACK
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)fd;
#endif
}

/* Waits for room if the socket does not block; 0 on success. */
static inline int send_all(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            if (poll(&room, 1, 10000) <= 0)
                return -1;
            continue;
        }
        if (n < 0)
            return -1;
        data += n;
        size -= n;
    }
    return 0;
}

static inline struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline int connect_to(const char *port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static inline int listen_on(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0)
        die("listen");
    return fd;
}

#endif
