/* Loads a DICOM SCP over many connections, each in a closed loop.
 *   load echoes PORT CONNECTIONS SECONDS [PID ...]         echoes on associations that stay open
 *   load associations PORT CONNECTIONS SECONDS [PID ...]   connect, associate, one echo, release, close; again
 * prints rate=PER-SECOND count=N p50=us p99=us longest=us failed=N unserved=N cpu=us own=us
 *
 * failed: rejected, aborted, reset, or answered wrongly. unserved: connections that got no single answer.
 * longest: the longest any connection waited, or had waited when the time was over. cpu, own: processor time per answer
 * of the processes PID, and of this program. Latency of an association is from connect() to A-RELEASE-RP.
 */
#include "connection.h"

static const double SETUP_SECONDS = 5, RELEASE_SECONDS = 2;
/* A server that refuses is asked again after this, not at once. */
static const double RETRY_SECONDS = 0.01;

static int whole_associations, measuring;
static double retry_at;
static long failed;
static struct latencies latencies;

static void answered(struct connection *c)
{
    if (measuring) {
        c->answers++;
        record(&latencies, now() - c->begin);
    }
}

static void next_echo(struct connection *c)
{
    c->begin = now();
    begin_echo(c);
}

static void on_ready(struct connection *c)
{
    if (whole_associations)
        begin_echo(c);
}

static void on_echoed(struct connection *c)
{
    if (whole_associations) {
        begin_release(c);
        return;
    }
    answered(c);
    if (measuring)
        next_echo(c);
    else
        begin_release(c);
}

static void on_released(struct connection *c)
{
    if (!whole_associations)
        return;
    answered(c);
    if (measuring)
        begin_connection(c);
}

static void on_failed(struct connection *c, enum state was)
{
    (void)c;
    (void)was;
    failed++;
    if (whole_associations && !retry_at)
        retry_at = now() + RETRY_SECONDS;
}

static void begin_closed(struct connection *all, int count)
{
    for (int i = 0; i < count; i++)
        if (all[i].state == CLOSED)
            begin_connection(&all[i]);
}

static void stand_associations(struct connection *all, int count)
{
    double until = now() + SETUP_SECONDS;
    begin_closed(all, count);
    while (in_state[CONNECTING] + in_state[ASSOCIATING] > 0 && now() < until)
        turn(until);
}

static void report(const struct connection *all, int count, double seconds, struct clocks spent, double end)
{
    int unserved = 0;
    size_t answers = latencies.count;
    sort(&latencies);
    double longest = percentile(&latencies, 1);
    for (int i = 0; i < count; i++) {
        double waited = all[i].state == CLOSED || all[i].state == READY ? 0 : (end - all[i].begin) * 1e6;
        longest = waited > longest ? waited : longest;
        unserved += all[i].answers == 0;
    }
    printf("rate=%.1f count=%zu p50=%.1f p99=%.1f longest=%.1f failed=%ld unserved=%d cpu=%.3f own=%.3f\n",
           answers / seconds, answers, percentile(&latencies, 0.5), percentile(&latencies, 0.99), longest, failed,
           unserved, answers ? spent.servers / answers * 1e6 : 0, answers ? spent.own / answers * 1e6 : 0);
}

static void measure(struct connection *all, int count, double seconds)
{
    if (!whole_associations)
        stand_associations(all, count);
    measuring = 1;
    double begin = now(), end = begin + seconds;
    struct clocks clocks = read_clocks();
    if (whole_associations)
        begin_closed(all, count);
    else
        for (int i = 0; i < count; i++)
            if (all[i].state == READY)
                next_echo(&all[i]);
    while (now() < end) {
        turn(retry_at && retry_at < end ? retry_at : end);
        if (retry_at && now() >= retry_at) {
            retry_at = 0;
            begin_closed(all, count);
        }
    }
    measuring = 0;
    end = now();
    report(all, count, end - begin, since(clocks), end);
    release_all(all, count, RELEASE_SECONDS);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    whole_associations = strcmp(argv[1], "associations") == 0;
    server = loopback(argv[2]);
    int count = atoi(argv[3]);
    take_pids(argv + 5, argc - 5);
    poller = epoll_create1(0);
    if (poller < 0)
        die("epoll");
    measure(make_connections(count), count, atof(argv[4]));
    return 0;
}
