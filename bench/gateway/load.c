/* A session and its clients, in C so that the thing between them is what is measured.
 *
 *   load serve  SOCKET PORT                           HTTP and WebSocket echo on a unix socket and on loopback
 *   load get    PORT PATH CONNECTIONS SECONDS HEADERS closed loop of GETs
 *   load put    PORT PATH BYTES SECONDS HEADERS       POSTs of BYTES, one after the other
 *   load ws     PORT PATH CONNECTIONS SECONDS SIZE HEADERS   ping-pong on every connection at once
 *   load hold   PORT PATH CONNECTIONS HEADERS         opens WebSockets, says so, holds them until stdin ends
 *   load stall  PORT PATH HEADERS                     a GET whose answer nobody reads, until stdin ends
 *
 * A path with "flood" in it is answered, over HTTP and WebSocket alike, with 500 MB as fast as they are taken.
 *
 * HEADERS is one argument with \r\n after every line. Results are one line of JSON. One thread, epoll.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 1 << 18, HEAD = 1 << 14, BIG = 5 << 20, SMALL = 128, UNIT = 1 << 16, FLOOD = 7630 * UNIT };
/* A WebSocket frame, and as good a body as any. */
static char unit[UNIT] = {(char)0x82, 127, 0, 0, 0, 0, 0, 0, (char)0xff, (char)0xf6};
static char scratch[CHUNK];
static int ep;

static void die(const char *what) { perror(what); exit(1); }
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}
static void many_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* SHA-1 and base64, for Sec-WebSocket-Accept. */
static uint32_t rol(uint32_t x, int n) { return x << n | x >> (32 - n); }
static void sha1(const char *text, size_t size, uint8_t out[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t block[128] = {0};
    size_t total = size + 9 > 64 ? 128 : 64; /* a key and the GUID: 60 bytes */
    memcpy(block, text, size);
    block[size] = 0x80;
    for (int i = 0; i < 8; i++) block[total - 1 - i] = (uint64_t)size * 8 >> (8 * i);
    for (size_t at = 0; at < total; at += 64) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 16; i++) {
            const uint8_t *p = block + at + 4 * i;
            w[i] = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        }
        for (int i = 16; i < 80; i++) w[i] = rol(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        for (int i = 0; i < 80; i++) {
            uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
            uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
            uint32_t t = rol(a, 5) + f + e + k + w[i];
            e = d; d = c; c = rol(b, 30); b = a; a = t;
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
    }
    for (int i = 0; i < 20; i++) out[i] = h[i / 4] >> (24 - 8 * (i % 4));
}
static void accept_for(const char *key, char out[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[128];
    uint8_t d[21] = {0};
    int n = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    sha1(text, n, d);
    for (int i = 0; i < 7; i++) {
        uint32_t v = d[3 * i] << 16 | d[3 * i + 1] << 8 | d[3 * i + 2];
        for (int j = 0; j < 4; j++) out[4 * i + j] = letters[v >> (18 - 6 * j) & 63];
    }
    out[27] = '=';
    out[28] = 0;
}

/* Connections of both roles. */
typedef struct {
    int fd, state, chunked;
    size_t have, left, flood, out_at, out_size, out_room;
    double since;
    char *out, head[HEAD];
} Conn;
enum { IN_HEAD, IN_BODY, SOCKET };

static Conn *conn_new(int fd) {
    Conn *c = calloc(1, sizeof *c);
    c->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
    return c;
}
static void conn_end(Conn *c) {
    close(c->fd);
    free(c->out);
    free(c);
}
static int flush_out(Conn *c) {
    while (c->out_at < c->out_size) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_size - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.ptr = c});
            return 0;
        }
        if (n < 0) return -1;
        c->out_at += n;
    }
    int flooding = c->flood > 0;
    while (c->flood) {
        size_t at = (FLOOD - c->flood) % UNIT;
        ssize_t n = send(c->fd, unit + at, UNIT - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN | EPOLLOUT, .data.ptr = c});
            return 0;
        }
        if (n < 0) return -1;
        c->flood -= n;
    }
    if (c->out_room || flooding) epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
    free(c->out);
    c->out = NULL;
    c->out_at = c->out_size = c->out_room = 0;
    return 0;
}
static int put_out(Conn *c, const void *data, size_t size) {
    if (!c->out_size) {
        ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return -1;
        if (n == (ssize_t)size) return 0;
        if (n > 0) data = (const char *)data + n, size -= n;
    }
    if (c->out_size + size > c->out_room) c->out = realloc(c->out, c->out_room = (c->out_size + size) * 2);
    memcpy(c->out + c->out_size, data, size);
    c->out_size += size;
    return flush_out(c);
}
static char *field(Conn *c, const char *name) {
    char *found = strcasestr(c->head, name);
    return found ? found + strlen(name) : NULL;
}
/* Add bytes to the head; return how many belong to it, or -1; state leaves IN_HEAD when it is whole. */
static ssize_t take_head(Conn *c, const char *data, size_t size) {
    size_t before = c->have, take = size < HEAD - 1 - before ? size : HEAD - 1 - before;
    memcpy(c->head + before, data, take);
    c->head[c->have += take] = 0;
    char *end = memmem(c->head, c->have, "\r\n\r\n", 4);
    if (!end) return c->have == HEAD - 1 ? -1 : (ssize_t)take;
    size_t head = end + 4 - c->head;
    c->head[head] = 0;
    c->have = 0;
    c->state = IN_BODY;
    return head - before;
}

/* The session. */
static char *answers[3];
static size_t sizes[3];
static void make_answers(void) {
    answers[0] = malloc(SMALL + 200);
    sizes[0] = sprintf(answers[0], "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", SMALL);
    memset(answers[0] + sizes[0], 's', SMALL);
    sizes[0] += SMALL;
    answers[1] = malloc(BIG + 200);
    sizes[1] = sprintf(answers[1], "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", BIG);
    memset(answers[1] + sizes[1], 'b', BIG);
    sizes[1] += BIG;
    answers[2] = malloc(BIG + 10000);
    sizes[2] = sprintf(answers[2], "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int left = BIG; left; left -= 65536) {
        sizes[2] += sprintf(answers[2] + sizes[2], "10000\r\n");
        memset(answers[2] + sizes[2], 'c', 65536);
        memcpy(answers[2] + sizes[2] + 65536, "\r\n", 2);
        sizes[2] += 65538;
    }
    sizes[2] += sprintf(answers[2] + sizes[2], "0\r\n\r\n");
}
static int floods(Conn *c) { return memmem(c->head, strstr(c->head, "\r\n") - c->head, "flood", 5) != NULL; }
static int flood(Conn *c) {
    char head[128];
    int n = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", FLOOD);
    c->state = IN_HEAD;
    if (put_out(c, head, n) < 0) return -1;
    c->flood = FLOOD;
    return flush_out(c);
}
static int answer(Conn *c) {
    if (floods(c)) return flood(c);
    char *line = strstr(c->head, "\r\n");
    int which = memmem(c->head, line - c->head, "big", 3) ? 1 : memmem(c->head, line - c->head, "chunked", 7) ? 2 : 0;
    c->state = IN_HEAD;
    return put_out(c, answers[which], sizes[which]);
}
static int upgrade(Conn *c, const char *key) {
    char accept[29], head[256];
    while (*key == ' ') key++;
    accept_for(key, accept);
    int n = sprintf(head, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    c->state = SOCKET;
    int flooding = floods(c);
    if (put_out(c, head, n) < 0) return -1;
    c->flood = flooding ? FLOOD : 0;
    return flooding ? flush_out(c) : 0;
}
/* Echo whole frames: drop the mask, keep the rest. Return how many bytes were whole frames, -1 to end. */
static ssize_t echo(Conn *c, char *data, size_t size) {
    size_t at = 0;
    while (size - at >= 6) {
        uint8_t *p = (uint8_t *)data + at;
        size_t n = p[1] & 127, sizes_at = 2;
        if (n == 127) return -1; /* no benchmark sends more than 64 KiB at once */
        if (n == 126) sizes_at = 4, n = (size_t)p[2] << 8 | p[3];
        size_t header = sizes_at + 4;
        if (header + n > size - at) break;
        if ((p[0] & 15) == 8) return -1;
        uint8_t *mask = p + sizes_at, *body = p + header;
        if (mask[0] | mask[1] | mask[2] | mask[3])
            for (size_t i = 0; i < n; i++) body[i] ^= mask[i & 3];
        uint8_t plain[4] = {(p[0] & 15) == 9 ? 0x8a : p[0], p[1] & 127, p[2], p[3]};
        int is_pong = (p[0] & 15) == 10;
        memcpy(body - sizes_at, plain, sizes_at);
        if (!is_pong && put_out(c, body - sizes_at, n + sizes_at) < 0) return -1;
        at += header + n;
    }
    return at;
}
static int serve_bytes(Conn *c, char *data, size_t size) {
    while (size) {
        ssize_t n;
        if (c->state == SOCKET) {
            if (c->have) { /* a frame began in an earlier read */
                if (c->have + size > HEAD + 70000) return -1;
                static char joined[HEAD + CHUNK + 70000];
                memcpy(joined, c->head, c->have);
                memcpy(joined + c->have, data, size);
                size += c->have;
                data = joined;
                c->have = 0;
            }
            n = echo(c, data, size);
            if (n < 0) return -1;
            if (size - n > HEAD) return -1;
            memmove(c->head, data + n, c->have = size - n);
            return 0;
        }
        if (c->state == IN_HEAD) {
            if ((n = take_head(c, data, size)) < 0) return -1;
            data += n, size -= n;
            if (c->state == IN_HEAD) return 0;
            char *key = field(c, "\r\nSec-WebSocket-Key:"), *length = field(c, "\r\nContent-Length:");
            c->chunked = field(c, "\r\nTransfer-Encoding: chunked") != NULL;
            c->left = length ? strtoul(length, NULL, 10) : 0;
            if (key) {
                if (upgrade(c, key) < 0) return -1;
                continue;
            }
            if (!c->left && !c->chunked && answer(c) < 0) return -1;
            continue;
        }
        if (c->chunked) { /* benchmarks send no chunks but through proxies that make them: look for the end */
            if (size >= 5 && !memcmp(data + size - 5, "0\r\n\r\n", 5)) {
                c->chunked = 0;
                return answer(c);
            }
            return 0;
        }
        n = size < c->left ? size : c->left;
        c->left -= n, data += n, size -= n;
        if (!c->left && answer(c) < 0) return -1;
    }
    return 0;
}
static int listen_on(struct sockaddr *address, socklen_t size) {
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, address, size) || listen(fd, 4096)) die("listen");
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.u64 = (uint64_t)fd << 1 | 1});
    return fd;
}
static void serve(const char *path, int port) {
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    strncpy(unix_address.sun_path, path, sizeof unix_address.sun_path - 1);
    unlink(path);
    make_answers();
    listen_on((struct sockaddr *)&unix_address, sizeof unix_address);
    int loopback = listen_on((struct sockaddr *)&tcp, sizeof tcp);
    socklen_t size = sizeof tcp;
    getsockname(loopback, (struct sockaddr *)&tcp, &size);
    printf("%d\n", ntohs(tcp.sin_port));
    fflush(stdout);
    struct epoll_event events[256];
    for (;;) {
        int n = epoll_wait(ep, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 & 1) {
                for (int fd; (fd = accept(events[i].data.u64 >> 1, NULL, NULL)) >= 0;) conn_new(fd);
                continue;
            }
            Conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT && flush_out(c) < 0) { conn_end(c); continue; }
            if (!(events[i].events & ~EPOLLOUT)) continue;
            ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0 || serve_bytes(c, scratch, got) < 0) conn_end(c);
        }
    }
}

/* The clients. */
static float *times;
static size_t done, bytes, failed;
static size_t room;
static void record(double seconds) {
    if (done == room) times = realloc(times, (room = room ? room * 2 : 1 << 16) * sizeof *times);
    times[done++] = seconds * 1e6;
}
static int by_size(const void *a, const void *b) { return (*(float *)a > *(float *)b) - (*(float *)a < *(float *)b); }
static void report(double seconds, double connect) {
    qsort(times, done, sizeof *times, by_size);
    printf("{\"count\": %zu, \"failed\": %zu, \"seconds\": %.4f, \"bytes\": %zu, \"connect_ms\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           done, failed, seconds, bytes, connect * 1e3, done ? times[done / 2] : 0.0, done ? times[done * 99 / 100] : 0.0);
}
static int dial(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) return -1;
    return fd;
}
static char request[1 << 15];
static size_t request_size;
/* Take an answer's bytes; return 1 when it is complete, -1 when it is not a 2xx. */
static int client_bytes(Conn *c, char *data, size_t size) {
    bytes += size;
    if (c->state == IN_HEAD) {
        ssize_t n = take_head(c, data, size);
        if (n < 0) return -1;
        if (c->state == IN_HEAD) return 0;
        data += n, size -= n;
        if (strncmp(c->head, "HTTP/1.1 2", 10)) return -1;
        char *length = field(c, "\r\nContent-Length:");
        c->chunked = !length;
        c->left = length ? strtoul(length, NULL, 10) : 0;
    }
    if (c->chunked) return size >= 5 && !memcmp(data + size - 5, "0\r\n\r\n", 5);
    c->left -= size < c->left ? size : c->left;
    return !c->left;
}
static int get(int port, const char *path, int connections, double seconds, const char *headers) {
    request_size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, headers);
    double begun = now();
    for (int i = 0; i < connections; i++) {
        int fd = dial(port);
        if (fd < 0) { failed++; continue; }
        Conn *c = conn_new(fd);
        c->since = now();
        if (put_out(c, request, request_size) < 0) failed++;
    }
    struct epoll_event events[256];
    double end = begun + seconds, at;
    while ((at = now()) < end) {
        int n = epoll_wait(ep, events, 256, 100);
        for (int i = 0; i < n; i++) {
            Conn *c = events[i].data.ptr;
            ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
            if (got < 0 && errno == EAGAIN) continue;
            int whole = got <= 0 ? -1 : client_bytes(c, scratch, got);
            if (whole > 0) {
                at = now();
                record(at - c->since);
                c->state = IN_HEAD;
                c->since = at;
            }
            if (whole < 0) { /* the proxy may end a connection: go on with a new one, and count it */
                if (got != 0 || c->state != IN_HEAD || c->have) failed++;
                conn_end(c);
                int fd = dial(port);
                if (fd < 0 || failed > 1000) { failed++; continue; }
                c = conn_new(fd);
                c->since = now();
            }
            if (whole && put_out(c, request, request_size) < 0) failed++;
        }
    }
    report(now() - begun, 0);
    return 0;
}
static int put(int port, const char *path, size_t size, double seconds, const char *headers) {
    char *body = calloc(1, size), answer_bytes[4096];
    double begun = now();
    while (now() < begun + seconds) {
        int fd = dial(port);
        if (fd < 0) die("connect");
        int n = snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %zu\r\nOrigin: http://127.0.0.1:%d\r\n%s\r\n",
                         path, port, size, port, headers);
        double since = now();
        int ok = send(fd, request, n, MSG_NOSIGNAL) == n;
        for (size_t sent = 0; ok && sent < size;) {
            ssize_t wrote = send(fd, body + sent, size - sent < CHUNK ? size - sent : CHUNK, MSG_NOSIGNAL);
            if (wrote <= 0) ok = 0;
            else sent += wrote;
        }
        ssize_t got = recv(fd, answer_bytes, sizeof answer_bytes, 0);
        if (got > 10 && !strncmp(answer_bytes, "HTTP/1.1 2", 10)) record(now() - since), bytes += size;
        else if (failed++ > 20) break;
        close(fd);
    }
    report(now() - begun, 0);
    return 0;
}
static Conn **opened;
static size_t opened_count;
/* Open WebSockets; return how long that took. */
static double open_sockets(int port, const char *path, int connections, const char *headers) {
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
                        path, port, port, headers);
    double begun = now();
    int opening = 0;
    opened = calloc(connections, sizeof *opened);
    for (int i = 0; i < connections; i++) {
        int fd = dial(port);
        if (fd < 0) { failed++; continue; }
        put_out(conn_new(fd), request, size);
        opening++;
    }
    struct epoll_event events[256];
    while (opening && now() < begun + 30) {
        int count = epoll_wait(ep, events, 256, 1000);
        for (int i = 0; i < count; i++) {
            Conn *c = events[i].data.ptr;
            ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
            if (got < 0 && errno == EAGAIN) continue;
            ssize_t taken = got <= 0 ? -1 : take_head(c, scratch, got);
            if (taken >= 0 && c->state == IN_HEAD) continue;
            opening--;
            if (taken < 0 || strncmp(c->head, "HTTP/1.1 101", 12)) {
                failed++;
                conn_end(c);
            } else {
                c->state = SOCKET;
                opened[opened_count++] = c;
            }
        }
    }
    failed += opening;
    return now() - begun;
}
static int ws(int port, const char *path, int connections, double seconds, size_t size, const char *headers) {
    double connect = open_sockets(port, path, connections, headers);
    static char frame[70000];
    size_t header = size < 126 ? 6 : 8, back = size + header - 4;
    frame[0] = (char)0x82;
    frame[1] = (char)(0x80 | (size < 126 ? size : 126));
    if (size >= 126) frame[2] = size >> 8, frame[3] = size & 255;
    memset(frame + header, 'w', size);
    for (size_t i = 0; i < opened_count; i++) {
        opened[i]->since = now();
        opened[i]->left = back;
        put_out(opened[i], frame, header + size);
    }
    struct epoll_event events[256];
    double begun = now(), at;
    while ((at = now()) < begun + seconds && opened_count) {
        int count = epoll_wait(ep, events, 256, 100);
        for (int i = 0; i < count; i++) {
            Conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush_out(c);
            ssize_t got = recv(c->fd, scratch, sizeof scratch, 0);
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) { failed++; conn_end(c); continue; }
            bytes += got;
            c->left -= (size_t)got < c->left ? (size_t)got : c->left;
            if (c->left) continue;
            at = now();
            record(at - c->since);
            c->since = at;
            c->left = back;
            put_out(c, frame, header + size);
        }
    }
    report(now() - begun, connect);
    return 0;
}
static int hold(int port, const char *path, int connections, const char *headers) {
    double connect = open_sockets(port, path, connections, headers);
    report(connect, connect);
    fflush(stdout);
    while (read(0, scratch, sizeof scratch) > 0) {}
    return 0;
}
static int stall(int port, const char *path, const char *headers) {
    int fd = dial(port);
    size_t n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", path, port, headers);
    failed = fd < 0 || send(fd, request, n, MSG_NOSIGNAL) != (ssize_t)n;
    report(0, 0);
    fflush(stdout);
    while (read(0, scratch, sizeof scratch) > 0) {}
    char start[14] = "HTTP/1.1 200"; /* still nothing: some read it all first */
    recv(fd, start, 12, MSG_DONTWAIT);
    if (strcmp(start, "HTTP/1.1 200")) fprintf(stderr, "stall: %s\n", start);
    return strcmp(start, "HTTP/1.1 200") != 0;
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    ep = epoll_create1(0);
    many_files();
    if (!strcmp(mode, "serve") && argc == 4) serve(argv[2], atoi(argv[3]));
    if (!strcmp(mode, "get") && argc == 7) return get(atoi(argv[2]), argv[3], atoi(argv[4]), atof(argv[5]), argv[6]);
    if (!strcmp(mode, "put") && argc == 7) return put(atoi(argv[2]), argv[3], strtoul(argv[4], 0, 10), atof(argv[5]), argv[6]);
    if (!strcmp(mode, "ws") && argc == 8) return ws(atoi(argv[2]), argv[3], atoi(argv[4]), atof(argv[5]), strtoul(argv[6], 0, 10), argv[7]);
    if (!strcmp(mode, "hold") && argc == 6) return hold(atoi(argv[2]), argv[3], atoi(argv[4]), argv[5]);
    if (!strcmp(mode, "stall") && argc == 5) return stall(atoi(argv[2]), argv[3], argv[4]);
    fprintf(stderr, "see the top of load.c\n");
    return 2;
}
