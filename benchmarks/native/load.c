/* Loads a DICOM SCP over many connections, each in a closed loop.
 *   load echoes PORT CONNECTIONS SECONDS [PID ...]         echoes on associations that stay open
 *   load associations PORT CONNECTIONS SECONDS [PID ...]   connect, associate, one echo, release, close; again
 * prints rate=PER-SECOND count=N p50=us p99=us failed=N unserved=N cpu=us own=us
 *
 * failed: rejected, aborted, reset, or answered wrongly. unserved: connections that got no single answer.
 * cpu, own: processor time per answer of the processes PID, and of this program. Latency of an association is
 * from connect() to A-RELEASE-RP.
 */
#include "wire.h"
#include <sys/epoll.h>

enum { EVENTS = 256, MOST_PIDS = 64 };
enum state { CLOSED, CONNECTING, ASSOCIATING, READY, ECHOING, RELEASING };
static const double SETUP_SECONDS = 5, RELEASE_SECONDS = 2;

struct connection {
    int fd, message_id;
    enum state state;
    long answers;
    double begin;
    size_t have;
    unsigned char data[1024];
};

static int poller, whole_associations, measuring, reopen;
static struct sockaddr_in server;
static struct { float *us; size_t count, room; } latencies;
static long failed;
static int clocks;
static clockid_t clock_of[MOST_PIDS];

static double cpu_of_servers(void)
{
    double seconds = 0;
    for (int i = 0; i < clocks; i++) {
        struct timespec t;
        if (clock_gettime(clock_of[i], &t) == 0)
            seconds += t.tv_sec + t.tv_nsec / 1e9;
    }
    return seconds;
}

static double own_cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void record(double begin)
{
    if (latencies.count == latencies.room) {
        latencies.room = latencies.room ? 2 * latencies.room : 65536;
        latencies.us = realloc(latencies.us, latencies.room * sizeof *latencies.us);
        if (!latencies.us)
            die("realloc");
    }
    latencies.us[latencies.count++] = (now() - begin) * 1e6;
}

static void disconnect(struct connection *c)
{
    if (c->state != CLOSED)
        close(c->fd);
    c->state = CLOSED;
}

static void fail(struct connection *c)
{
    failed++;
    reopen = whole_associations;
    disconnect(c);
}

static void begin_connection(struct connection *c)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        die("socket");
    no_delay(c->fd);
    c->state = CONNECTING;
    c->have = 0;
    c->begin = now();
    if (connect(c->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail(c);
    else if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll");
}

static void send_or_fail(struct connection *c, const unsigned char *pdu, size_t size, enum state next)
{
    if (send_all(c->fd, pdu, size) < 0)
        fail(c);
    else
        c->state = next;
}

static void connected(struct connection *c)
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
    send_or_fail(c, request, put_associate_rq(request), ASSOCIATING);
}

static void begin_echo(struct connection *c)
{
    unsigned char request[ECHO_RQ_SIZE];
    memcpy(request, ECHO_RQ, sizeof request);
    c->message_id = next_message_id(c->message_id);
    put_message_id(request, c->message_id);
    if (!whole_associations)
        c->begin = now();
    send_or_fail(c, request, sizeof request, ECHOING);
}

static void begin_release(struct connection *c) { send_or_fail(c, RELEASE_RQ, sizeof RELEASE_RQ, RELEASING); }

static void answered(struct connection *c)
{
    if (measuring) {
        c->answers++;
        record(c->begin);
    }
}

static void received_pdu(struct connection *c, size_t size)
{
    if (c->state == ASSOCIATING && c->data[0] == A_ASSOCIATE_AC) {
        c->state = READY;
        if (whole_associations)
            begin_echo(c);
    } else if (c->state == ECHOING && is_success(c->data, size, c->message_id)) {
        if (whole_associations) {
            begin_release(c);
            return;
        }
        answered(c);
        if (measuring)
            begin_echo(c);
        else
            begin_release(c);
    } else if (c->state == RELEASING && c->data[0] == A_RELEASE_RP) {
        disconnect(c);
        if (!whole_associations)
            return;
        answered(c);
        if (measuring)
            begin_connection(c);
    } else {
        fail(c);
    }
}

static void readable(struct connection *c)
{
    ssize_t n = recv(c->fd, c->data + c->have, sizeof c->data - c->have, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        fail(c);
        return;
    }
    c->have += n;
    size_t size = pdu_size(c->data, c->have);
    if (size > sizeof c->data) {
        fail(c);
    } else if (size && size <= c->have) {
        /* A closed loop: nothing can follow an answer. */
        c->have = 0;
        received_pdu(c, size);
    } else {
        acknowledge_now(c->fd);
    }
}

/* How many connections are in one of the states from first to last. */
static int in_states(const struct connection *all, int count, enum state first, enum state last)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        found += all[i].state >= first && all[i].state <= last;
    return found;
}

static void turn(double until)
{
    struct epoll_event events[EVENTS];
    double rest = until - now();
    int ready = epoll_wait(poller, events, EVENTS, rest > 0 ? (int)(rest * 1000) + 1 : 0);
    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->state == CONNECTING)
            connected(c);
        else if (c->state != CLOSED)
            readable(c);
    }
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double percentile(double part)
{
    return latencies.count ? latencies.us[(size_t)(part * (latencies.count - 1))] : 0;
}

static void stand_associations(struct connection *all, int count)
{
    double until = now() + SETUP_SECONDS;
    for (int i = 0; i < count; i++)
        begin_connection(&all[i]);
    while (in_states(all, count, CONNECTING, ASSOCIATING) && now() < until)
        turn(until);
}

static void report(const struct connection *all, int count, double seconds, double cpu, double own)
{
    int unserved = 0;
    for (int i = 0; i < count; i++)
        unserved += all[i].answers == 0;
    size_t answers = latencies.count;
    qsort(latencies.us, answers, sizeof *latencies.us, ascending);
    printf("rate=%.1f count=%zu p50=%.1f p99=%.1f failed=%ld unserved=%d cpu=%.3f own=%.3f\n", answers / seconds,
           answers, percentile(0.5), percentile(0.99), failed, unserved, answers ? cpu / answers * 1e6 : 0,
           answers ? own / answers * 1e6 : 0);
}

static void measure(struct connection *all, int count, double seconds)
{
    if (!whole_associations)
        stand_associations(all, count);
    measuring = 1;
    double begin = now(), cpu = cpu_of_servers(), own = own_cpu();
    for (int i = 0; i < count; i++) {
        if (whole_associations)
            begin_connection(&all[i]);
        else if (all[i].state == READY)
            begin_echo(&all[i]);
    }
    while (now() - begin < seconds) {
        turn(begin + seconds);
        int again = reopen;
        reopen = 0;
        for (int i = 0; again && i < count; i++)
            if (all[i].state == CLOSED)
                begin_connection(&all[i]);
    }
    measuring = 0;
    double end = now();
    cpu = cpu_of_servers() - cpu;
    own = own_cpu() - own;
    report(all, count, end - begin, cpu, own);
    double until = now() + RELEASE_SECONDS;
    while (in_states(all, count, ECHOING, RELEASING) && now() < until)
        turn(until);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    whole_associations = strcmp(argv[1], "associations") == 0;
    server = loopback(argv[2]);
    int count = atoi(argv[3]);
    for (int i = 5; i < argc && clocks < MOST_PIDS; i++)
        if (clock_getcpuclockid(atoi(argv[i]), &clock_of[clocks++]) != 0)
            die("processor clock");
    poller = epoll_create1(0);
    struct connection *all = calloc(count, sizeof *all);
    if (poller < 0 || !all)
        die("epoll");
    measure(all, count, atof(argv[4]));
    return 0;
}
