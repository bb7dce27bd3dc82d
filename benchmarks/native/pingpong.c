/* The limit: the same bytes as C-ECHO to and fro, with nothing looked at.
 *   pingpong server PORT
 *   pingpong client PORT SECONDS    prints rate=ROUND-TRIPS-PER-SECOND
 */
#include "wire.h"

static int receive(int fd, unsigned char *data, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t n = recv(fd, data + have, size - have, 0);
        if (n <= 0)
            return -1;
        have += n;
    }
    return 0;
}

static void serve(const char *port)
{
    unsigned char request[ECHO_RQ_SIZE];
    int listener = listen_on(port);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("accept");
        no_delay(fd);
        while (receive(fd, request, sizeof request) == 0)
            if (send_all(fd, ECHO_RSP, ECHO_RSP_SIZE) < 0)
                break;
        close(fd);
    }
}

static void play(const char *port, double seconds)
{
    unsigned char response[ECHO_RSP_SIZE];
    int fd = connect_to(port);
    no_delay(fd);
    long count = 0;
    double begin = now(), end = begin;
    for (; end - begin < seconds; end = now(), count++)
        if (send_all(fd, ECHO_RQ, ECHO_RQ_SIZE) < 0 || receive(fd, response, sizeof response) < 0)
            die("round trip");
    printf("rate=%.1f count=%ld\n", count / (end - begin), count);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "server") == 0)
        serve(argv[2]);
    else if (argc == 4 && strcmp(argv[1], "client") == 0)
        play(argv[2], atof(argv[3]));
    else
        return 2;
    return 0;
}
