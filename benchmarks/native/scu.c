/* Drives a DICOM SCP over one connection at a time.
 *   scu one-write|two-writes echoes PORT SECONDS         echoes on one association, one after the other
 *   scu one-write|two-writes associations PORT SECONDS   associate, one echo, release, close; again and again
 * prints rate=PER-SECOND count=N.
 *
 * one-write: each PDU in one send(), TCP_NODELAY, an incomplete answer is acknowledged at once.
 * two-writes: PDU header, then body, Nagle's algorithm on, acknowledgements left to the system (as stock DCMTK).
 */
#include "wire.h"

enum { WARM_UP_ECHOES = 50 };
static const double WARM_UP_SECONDS = 0.5;

static int two_writes;

struct connection {
    int fd;
    size_t have, used;
    unsigned char data[LONGEST_PDU];
};

static void put(struct connection *c, const unsigned char *pdu, size_t size)
{
    if (two_writes) {
        if (send_all(c->fd, pdu, HEADER) < 0 || send_all(c->fd, pdu + HEADER, size - HEADER) < 0)
            die("send");
    } else if (send_all(c->fd, pdu, size) < 0) {
        die("send");
    }
}

/* The size of the next PDU, which is at c->data. */
static size_t get(struct connection *c)
{
    c->have -= c->used;
    memmove(c->data, c->data + c->used, c->have);
    for (;;) {
        size_t size = pdu_size(c->data, c->have);
        if (size && c->have >= size)
            return c->used = size;
        if (c->have && !two_writes)
            acknowledge_now(c->fd);
        errno = 0;
        ssize_t n = recv(c->fd, c->data + c->have, sizeof c->data - c->have, 0);
        if (n <= 0)
            die("receive");
        c->have += n;
    }
}

static void expect(struct connection *c, int type)
{
    get(c);
    errno = 0;
    if (c->data[0] != type)
        die("PDU type");
}

static void associate(struct connection *c, const char *port)
{
    unsigned char request[512];
    c->fd = connect_to(port);
    c->have = c->used = 0;
    if (!two_writes)
        no_delay(c->fd);
    put(c, request, put_associate_rq(request));
    expect(c, A_ASSOCIATE_AC);
}

static void echo(struct connection *c, int message_id)
{
    unsigned char request[ECHO_RQ_SIZE];
    memcpy(request, ECHO_RQ, sizeof request);
    put_message_id(request, message_id);
    put(c, request, sizeof request);
    size_t size = get(c);
    errno = 0;
    if (!is_success(c->data, size, message_id))
        die("C-ECHO-RSP");
}

static void release(struct connection *c)
{
    put(c, RELEASE_RQ, sizeof RELEASE_RQ);
    expect(c, A_RELEASE_RP);
    close(c->fd);
}

static void report(long count, double seconds) { printf("rate=%.2f count=%ld\n", count / seconds, count); }

static void echoes(struct connection *c, const char *port, double seconds)
{
    int id = 1;
    associate(c, port);
    /* A young connection is acknowledged at once whatever its owner does: that is not what lasts. */
    double begin = now();
    for (int i = 0; i < WARM_UP_ECHOES && now() - begin < WARM_UP_SECONDS; i++, id = next_message_id(id))
        echo(c, id);
    long count = 0;
    double end = begin = now();
    for (; end - begin < seconds; end = now(), count++, id = next_message_id(id))
        echo(c, id);
    release(c);
    report(count, end - begin);
}

static void associations(struct connection *c, const char *port, double seconds)
{
    long count = 0;
    double begin = now(), end = begin;
    for (; end - begin < seconds; end = now(), count++) {
        associate(c, port);
        echo(c, 1);
        release(c);
    }
    report(count, end - begin);
}

int main(int argc, char **argv)
{
    static struct connection connection;
    if (argc != 5)
        return 2;
    two_writes = strcmp(argv[1], "two-writes") == 0;
    if (strcmp(argv[2], "echoes") == 0)
        echoes(&connection, argv[3], atof(argv[4]));
    else if (strcmp(argv[2], "associations") == 0)
        associations(&connection, argv[3], atof(argv[4]));
    else
        return 2;
    return 0;
}
