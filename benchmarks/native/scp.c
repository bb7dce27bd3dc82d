/* An SCP that answers at once and checks little: what a server in C costs.
 *   scp single PORT    one connection at a time, blocking
 *   scp epoll PORT     many connections
 * An incomplete PDU is acknowledged at once, so that a client which writes in pieces never waits.
 */
#include "wire.h"
#include <sys/epoll.h>

enum { EVENTS = 256 };

struct connection {
    int fd;
    size_t have;
    unsigned char in[LONGEST_PDU];
};

struct output {
    size_t size;
    unsigned char data[LONGEST_PDU];
};

/* PS3.8 9.3.3: every context proposed is accepted with the first of its transfer syntaxes. */
static size_t put_associate_ac(unsigned char *out, const unsigned char *rq, size_t rq_size)
{
    size_t size = 74;
    memcpy(out, rq, size);
    size += put_text(out + size, 0x10, "1.2.840.10008.3.1.1.1");
    for (size_t at = 74, next; at + 4 <= rq_size; at = next) {
        next = at + 4 + (rq[at + 2] << 8) + rq[at + 3];
        if (rq[at] != 0x20 || next > rq_size)
            continue;
        for (size_t sub = at + 8; sub + 4 <= next; sub += 4 + (rq[sub + 2] << 8) + rq[sub + 3]) {
            size_t length = (rq[sub + 2] << 8) + rq[sub + 3];
            unsigned char context[128] = {rq[at + 4], 0, 0, 0};
            if (rq[sub] != 0x40 || length > 64 || sub + 4 + length > next || size > LONGEST_PDU - 512)
                continue;
            size_t n = 4 + put_item(context + 4, 0x40, rq + sub + 4, length);
            size += put_item(out + size, 0x21, context, n);
            break;
        }
    }
    size += put_user_information(out + size);
    finish_pdu(out, A_ASSOCIATE_AC, size);
    return size;
}

/* Adds the answer to one PDU; -1 ends the connection. */
static int answer(struct output *out, const unsigned char *pdu, size_t size)
{
    unsigned char *at = out->data + out->size;
    if (pdu[0] == P_DATA_TF && size >= ECHO_RQ_SIZE && command_value(pdu, size, COMMAND_FIELD) == 0x0030) {
        memcpy(at, ECHO_RSP, ECHO_RSP_SIZE);
        at[10] = pdu[10];
        put_message_id(at, command_value(pdu, size, 0x0110));
        out->size += ECHO_RSP_SIZE;
    } else if (pdu[0] == A_ASSOCIATE_RQ && size >= 74 && out->size == 0) {
        out->size = put_associate_ac(at, pdu, size);
    } else if (pdu[0] == A_RELEASE_RQ) {
        memcpy(at, RELEASE_RP, sizeof RELEASE_RP);
        out->size += sizeof RELEASE_RP;
    } else {
        return -1;
    }
    return 0;
}

/* Reads once and answers every PDU that is complete; -1 ends the connection. */
static int serve_once(struct connection *c)
{
    static struct output out;
    ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - c->have, 0);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    c->have += n;
    out.size = 0;
    size_t used = 0, size;
    while ((size = pdu_size(c->in + used, c->have - used)) && size <= c->have - used) {
        if (out.size > LONGEST_PDU / 2) {
            if (send_all(c->fd, out.data, out.size) < 0)
                return -1;
            out.size = 0;
        }
        if (answer(&out, c->in + used, size) < 0)
            return -1;
        used += size;
    }
    c->have -= used;
    memmove(c->in, c->in + used, c->have);
    if (c->have)
        acknowledge_now(c->fd);
    return out.size ? send_all(c->fd, out.data, out.size) : 0;
}

static struct connection *accept_one(int listener, int flags)
{
    int fd = accept4(listener, NULL, NULL, flags);
    if (fd < 0)
        return NULL;
    struct connection *c = malloc(sizeof *c);
    if (!c)
        die("malloc");
    c->fd = fd;
    c->have = 0;
    no_delay(fd);
    return c;
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c);
}

static void serve_single(int listener)
{
    for (;;) {
        struct connection *c = accept_one(listener, 0);
        if (!c)
            die("accept");
        while (serve_once(c) == 0)
            ;
        drop(c);
    }
}

static void serve_epoll(int listener)
{
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN, .data.ptr = NULL};
    int poller = epoll_create1(0);
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll");
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (c) {
                if (serve_once(c) < 0)
                    drop(c);
            } else if ((c = accept_one(listener, SOCK_NONBLOCK))) {
                event.data.ptr = c;
                if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
                    die("epoll");
            }
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    raise_file_limit();
    if (strcmp(argv[1], "single") == 0)
        serve_single(listen_on(argv[2]));
    else if (strcmp(argv[1], "epoll") == 0)
        serve_epoll(listen_on(argv[2]));
    return 2;
}
