/* Connections of a load generator: none blocks, one poller watches all, each has at most one request on its way.
 * A program that includes this says with the four functions on_... what follows a step. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "wire.h"
#include <sys/epoll.h>

/* One address has 28,232 ports for connections to one server, and a port that was used rests for a second. */
enum { SOURCES = 250 };
enum { EVENTS = 256, MOST_PIDS = 64 };
enum state { CLOSED, CONNECTING, SILENT, ASSOCIATING, READY, ECHOING, RELEASING, STATES };

struct connection {
    int fd, message_id;
    int silent; /* connects, and never sends a byte */
    enum state state;
    long answers;
    double begin;
    size_t have;
    unsigned char data[1024];
};

struct latencies {
    float *us;
    size_t count, room;
};

static int poller;
static struct sockaddr_in server;
static int in_state[STATES]; /* all connections, but those that never began */

/* Associated; answered with success; released and closed; closed for another reason, with how far it was. */
static void on_ready(struct connection *c);
static void on_echoed(struct connection *c);
static void on_released(struct connection *c);
static void on_failed(struct connection *c, enum state was);

static inline void enter(struct connection *c, enum state state)
{
    in_state[c->state]--;
    in_state[state]++;
    c->state = state;
}

static inline void disconnect(struct connection *c)
{
    close(c->fd);
    enter(c, CLOSED);
}

static inline void fail(struct connection *c)
{
    enum state was = c->state;
    disconnect(c);
    on_failed(c, was);
}

/* From the next of the sources, with a port that is chosen once the peer is known. */
static inline void bind_source(int fd)
{
    static unsigned next;
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + next++ % SOURCES);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    /* Else the rest of a closed connection keeps a server from listening on its port. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        die("bind");
}

static inline void begin_connection(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket");
    bind_source(c->fd);
    no_delay(c->fd);
    enter(c, CONNECTING);
    c->have = 0;
    c->begin = now();
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail(c);
    else if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll");
}

static inline void send_or_fail(struct connection *c, const unsigned char *pdu, size_t size, enum state next)
{
    if (send_all(c->fd, pdu, size) < 0)
        fail(c);
    else
        enter(c, next);
}

static inline void begin_echo(struct connection *c)
{
    unsigned char request[ECHO_RQ_SIZE];
    memcpy(request, ECHO_RQ, sizeof request);
    c->message_id = next_message_id(c->message_id);
    put_message_id(request, c->message_id);
    send_or_fail(c, request, sizeof request, ECHOING);
}

static inline void begin_release(struct connection *c) { send_or_fail(c, RELEASE_RQ, sizeof RELEASE_RQ, RELEASING); }

static inline void connected(struct connection *c)
{
    unsigned char request[512];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    if (problem) {
        fail(c);
        return;
    }
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
    if (c->silent)
        enter(c, SILENT);
    else
        send_or_fail(c, request, put_associate_rq(request), ASSOCIATING);
}

static inline void received_pdu(struct connection *c, size_t size)
{
    if (c->state == ASSOCIATING && c->data[0] == A_ASSOCIATE_AC) {
        enter(c, READY);
        on_ready(c);
    } else if (c->state == ECHOING && is_success(c->data, size, c->message_id)) {
        enter(c, READY);
        on_echoed(c);
    } else if (c->state == RELEASING && c->data[0] == A_RELEASE_RP) {
        disconnect(c);
        on_released(c);
    } else {
        fail(c);
    }
}

static inline void readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->data + c->have, sizeof c->data - c->have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(c);
        return;
    }
    if (c->silent)
        return;
    c->have += n;
    size_t size = pdu_size(c->data, c->have);
    if (size > sizeof c->data) {
        fail(c);
    } else if (size && size <= c->have) {
        /* One request on its way: nothing can follow an answer. */
        c->have = 0;
        received_pdu(c, size);
    } else {
        acknowledge_now(c->fd);
    }
}

/* Waits until something happens, but not beyond `until`, and serves it. An event without a connection only wakes. */
static inline void turn(double until)
{
    struct epoll_event events[EVENTS];
    double rest = until - now();
    int ready = epoll_wait(poller, events, EVENTS, rest > 0 ? (int)(rest * 1000) + 1 : 0);
    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        if (!c)
            continue;
        if (c->state == CONNECTING)
            connected(c);
        else if (c->state != CLOSED)
            readable(c);
    }
}

static inline void release_all(struct connection *all, int count, double limit)
{
    for (int i = 0; i < count; i++)
        if (all[i].state == READY)
            begin_release(&all[i]);
    for (double until = now() + limit; in_state[ECHOING] + in_state[RELEASING] > 0 && now() < until;)
        turn(until);
}

static inline struct connection *make_connections(int count)
{
    struct connection *all = calloc(count ? count : 1, sizeof *all);
    if (!all)
        die("calloc");
    return all;
}

static inline void record(struct latencies *l, double seconds)
{
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 65536;
        l->us = realloc(l->us, l->room * sizeof *l->us);
        if (!l->us)
            die("realloc");
    }
    l->us[l->count++] = seconds * 1e6;
}

static inline int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static inline void sort(struct latencies *l) { qsort(l->us, l->count, sizeof *l->us, ascending); }

/* Of latencies in order. */
static inline double percentile(const struct latencies *l, double part)
{
    return l->count ? l->us[(size_t)(part * (l->count - 1))] : 0;
}

/* The processor time of the server's processes and of this one, in seconds; beyond PIDs that were given, 0. */
struct clocks {
    double own, servers;
};

static int pids, pid[MOST_PIDS];

static inline void take_pids(char **words, int count)
{
    for (; pids < count && pids < MOST_PIDS; pids++)
        pid[pids] = atoi(words[pids]);
}

static inline double seconds_of(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? t.tv_sec + t.tv_nsec / 1e9 : 0;
}

static inline struct clocks read_clocks(void)
{
    struct clocks read = {.own = seconds_of(CLOCK_PROCESS_CPUTIME_ID)};
    for (int i = 0; i < pids; i++) {
        clockid_t clock;
        if ((errno = clock_getcpuclockid(pid[i], &clock)) != 0)
            die("processor clock");
        read.servers += seconds_of(clock);
    }
    return read;
}

static inline struct clocks since(struct clocks begin)
{
    struct clocks spent = read_clocks();
    spent.own -= begin.own;
    spent.servers -= begin.servers;
    return spent;
}

#endif
