/* Loads a DICOM SCP with many connections of which few speak, on a schedule that does not wait for the answers.
 *   crowd open PORT CONNECTIONS SECONDS RATE [PID ...]
 *     CONNECTIONS associations that stay open, then RATE echoes a second over all of them, each on one taken at random
 *     prints stand=SECONDS standing=N rss=KiB cpu_stand=us and what is common
 *   crowd idle PORT SILENT CONNECTIONS SECONDS RATE LIMIT [PID ...]
 *     the same over CONNECTIONS associations, while SILENT others connect, send nothing for SECONDS, and are cut;
 *     waits for that until LIMIT seconds after the last has connected
 *     prints silent=N cut=N first_cut=SECONDS last_cut=SECONDS p99_change=us and what is common
 * common: rate=PER-SECOND count=N p50=us p99=us failed=N unserved=N cpu=us own=us
 *
 * Latency of an echo counts from the moment it was due, whenever it was sent. failed: aborted, reset, answered
 * wrongly or not at all. unserved: associations that never stood. stand: from the first connect() until all stood.
 * rss: how much the resident memory of the processes PID has grown, by the associations that stand. cpu, own: their
 * processor time per echo, and that of this program; cpu_stand: theirs per association until all stood.
 * first_cut, last_cut: the shortest and the longest time between connect() and the server's closing. p99: of the
 * SECONDS; p99_change: of the time in which the silent ones connected and were cut.
 */
#include "connection.h"
#include <sys/timerfd.h>

/* On their way to where they stand: fewer than a listener's queue holds. Of them begun between two looks around: few. */
enum { AT_ONCE = 256, BEGUN_AT_ONCE = 16 };
static const double STAND_SECONDS = 15, DRAIN_SECONDS = 5, RELEASE_SECONDS = 5;

static struct connection *speakers, *silent;
static int speaker_count, silent_count;
static int timer;
static double due, interval, stop;
static struct latencies steady, change, *current;
static long failed;
static int cut;
static double first_cut, last_cut;

static void on_ready(struct connection *c) { (void)c; }

static void on_released(struct connection *c) { (void)c; }

static void on_echoed(struct connection *c) { record(current, now() - c->begin); }

static void on_failed(struct connection *c, enum state was)
{
    double after = now() - c->begin;
    if (!c->silent) {
        failed++;
    } else if (was == SILENT) {
        first_cut = cut == 0 || after < first_cut ? after : first_cut;
        last_cut = after > last_cut ? after : last_cut;
        cut++;
    }
}

static struct connection *any_ready(void)
{
    if (in_state[READY] == 0)
        return NULL;
    int at = random() % speaker_count;
    while (speakers[at].state != READY)
        at = (at + 1) % speaker_count;
    return &speakers[at];
}

/* Sends what is due; where every association waits for an answer, it stays due. */
static void send_due(void)
{
    struct connection *c;
    while (due < stop && due <= now() && (c = any_ready())) {
        c->begin = due;
        due += interval;
        begin_echo(c);
    }
}

static void set_timer(double at)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)at, .tv_nsec = (long)((at - (time_t)at) * 1e9)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* One turn of the poller, and of the schedule where there is one. */
static void go_on(double until)
{
    if (interval && due < stop && in_state[READY] > 0)
        set_timer(due);
    turn(until);
    if (interval)
        send_due();
}

static void begin_schedule(double rate)
{
    interval = 1 / rate;
    due = now();
}

/* Ends it, with what was due until now: what is not answered after DRAIN_SECONDS has waited as long as it has. */
static void end_schedule(void)
{
    stop = now();
    double until = stop + DRAIN_SECONDS;
    while (in_state[ECHOING] > 0 || (due < stop && in_state[READY] > 0)) {
        if (now() >= until)
            break;
        go_on(until);
    }
    for (int i = 0; i < speaker_count; i++) {
        if (speakers[i].state == ECHOING) {
            failed++;
            record(current, now() - speakers[i].begin);
        }
    }
    for (; due < stop; due += interval, failed++)
        record(current, now() - due);
}

/* Connects them all, and returns once none is on its way any more, or after STAND_SECONDS. */
static void bring(struct connection *all, int count)
{
    double until = now() + STAND_SECONDS;
    for (int begun = 0; now() < until;) {
        int way = in_state[CONNECTING] + in_state[ASSOCIATING];
        if (begun == count && way == 0)
            break;
        for (int i = 0; i < BEGUN_AT_ONCE && begun < count && way < AT_ONCE; i++, way++)
            begin_connection(&all[begun++]);
        go_on(begun < count && way < AT_ONCE ? 0 : until);
    }
}

/* KiB, of all the server's processes. */
static long resident(void)
{
    long sum = 0;
    for (int i = 0; i < pids; i++) {
        char path[64], line[256];
        long kib;
        snprintf(path, sizeof path, "/proc/%d/status", pid[i]);
        FILE *file = fopen(path, "r");
        if (!file)
            die(path);
        while (fgets(line, sizeof line, file))
            if (sscanf(line, "VmRSS: %ld", &kib) == 1)
                sum += kib;
        fclose(file);
    }
    return sum;
}

static void report(double seconds, struct clocks spent, int standing)
{
    size_t echoes = steady.count;
    sort(&steady);
    printf("rate=%.1f count=%zu p50=%.1f p99=%.1f failed=%ld unserved=%d cpu=%.3f own=%.3f", echoes / seconds, echoes,
           percentile(&steady, 0.5), percentile(&steady, 0.99), failed, speaker_count - standing,
           echoes ? spent.servers / echoes * 1e6 : 0, echoes ? spent.own / echoes * 1e6 : 0);
}

static void measure_open(double seconds, double rate)
{
    long before = resident();
    double begin = now();
    struct clocks clocks = read_clocks();
    bring(speakers, speaker_count);
    double stand = now() - begin, cpu_stand = since(clocks).servers;
    int standing = in_state[READY];
    long after = resident();
    current = &steady;
    clocks = read_clocks();
    begin_schedule(rate);
    for (begin = now(); now() < begin + seconds;)
        go_on(begin + seconds);
    end_schedule();
    report(seconds, since(clocks), standing);
    /* An association that has served may take more than one that has not. */
    after = resident() > after ? resident() : after;
    printf(" stand=%.3f standing=%d rss=%.2f cpu_stand=%.2f\n", stand, standing,
           standing ? (double)(after - before) / standing : 0, standing ? cpu_stand / standing * 1e6 : 0);
}

static void measure_idle(double seconds, double rate, double limit)
{
    bring(speakers, speaker_count);
    int standing = in_state[READY];
    current = &change;
    begin_schedule(rate);
    bring(silent, silent_count);
    int connected_silent = in_state[SILENT] + cut;
    current = &steady;
    double begin = now();
    struct clocks clocks = read_clocks();
    while (now() < begin + seconds)
        go_on(begin + seconds);
    struct clocks spent = since(clocks);
    current = &change;
    while (in_state[SILENT] > 0 && now() < begin + limit)
        go_on(begin + limit);
    end_schedule();
    report(seconds, spent, standing);
    sort(&change);
    printf(" silent=%d cut=%d first_cut=%.2f last_cut=%.2f p99_change=%.1f\n", connected_silent, cut, first_cut,
           last_cut, percentile(&change, 0.99));
}

static void prepare(const char *port, int speaking, int not_speaking)
{
    struct epoll_event wakes = {.events = EPOLLIN | EPOLLET};
    raise_file_limit();
    server = loopback(port);
    speakers = make_connections(speaker_count = speaking);
    silent = make_connections(silent_count = not_speaking);
    for (int i = 0; i < silent_count; i++)
        silent[i].silent = 1;
    stop = 1e18;
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (poller < 0 || timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &wakes) < 0)
        die("epoll");
}

int main(int argc, char **argv)
{
    if (argc >= 6 && strcmp(argv[1], "open") == 0) {
        take_pids(argv + 6, argc - 6);
        prepare(argv[2], atoi(argv[3]), 0);
        measure_open(atof(argv[4]), atof(argv[5]));
    } else if (argc >= 8 && strcmp(argv[1], "idle") == 0) {
        take_pids(argv + 8, argc - 8);
        prepare(argv[2], atoi(argv[4]), atoi(argv[3]));
        measure_idle(atof(argv[5]), atof(argv[6]), atof(argv[7]));
    } else {
        return 2;
    }
    fflush(stdout);
    release_all(speakers, speaker_count, RELEASE_SECONDS);
    return 0;
}
