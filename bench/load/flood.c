/* The load client itself: so lean that it is not what is measured.
 *
 * flood HOST PORT CA|- CERT|- < JOB > RESULT; client.py writes the one and reads the other.
 * Lines send requests, each one at a time and the next as soon as it is answered; watches count
 * how often a mark comes. One thread, one epoll. OpenSSL is the library that Python uses itself,
 * found by name, so that no headers are needed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WANT_READ = 2, WANT_WRITE = 3, VERIFY_PEER = 1, PEM = 1, READ_AHEAD = 41 };
enum { PATIENCE = 60000, TAIL = 32, PIECE = 1 << 16, READY = 512 };

#define FUNCTIONS(X)                                                        \
  X(void *, TLS_client_method, (void))                                      \
  X(void *, SSL_CTX_new, (const void *))                                    \
  X(int, SSL_CTX_load_verify_locations, (void *, const char *, const char *)) \
  X(void, SSL_CTX_set_verify, (void *, int, void *))                        \
  X(int, SSL_CTX_use_certificate_chain_file, (void *, const char *))        \
  X(int, SSL_CTX_use_PrivateKey_file, (void *, const char *, int))          \
  X(long, SSL_CTX_ctrl, (void *, int, long, void *))                        \
  X(void *, SSL_new, (void *))                                              \
  X(int, SSL_set_fd, (void *, int))                                         \
  X(int, SSL_connect, (void *))                                             \
  X(int, SSL_read, (void *, void *, int))                                   \
  X(int, SSL_write, (void *, const void *, int))                            \
  X(int, SSL_get_error, (const void *, int))

#define DECLARE(kind, name, arguments) static kind(*name) arguments;
FUNCTIONS(DECLARE)

typedef struct {
  uint32_t size;
  char *data;
} Text;

typedef struct {
  int fd, watches, chunked;
  void *ssl;
  double begun;
  char *data;               /* what has come of an answer, or the end of what has come of a watch */
  size_t used, room, head, need, at;
} Line;

/* What is to be done. */
static struct { uint32_t lines, watches, lockstep, hold, status, kinds; } job;
static Text wanted, mark, watch, *requests;
static uint32_t *times, kind_at, sent_of_kind;

/* What came of it. */
static struct { double seconds, cpu; uint64_t done, failed, bytes, delivered; } result;
static float *taken;
static uint64_t taken_room;

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void take(void *into, size_t size) {
  if (size && fread(into, size, 1, stdin) != 1) fail("the job is cut off");
}

static Text take_text(void) {
  Text found;
  take(&found.size, sizeof found.size);
  found.data = calloc(1, found.size + 1);
  take(found.data, found.size);
  return found;
}

static void read_job(void) {
  take(&job, sizeof job);
  wanted = take_text(), mark = take_text(), watch = take_text();
  requests = calloc(job.kinds + 1, sizeof *requests);
  times = calloc(job.kinds + 1, sizeof *times);
  for (uint32_t i = 0; i < job.kinds; i++) {
    take(&times[i], sizeof *times);
    requests[i] = take_text();
  }
  if (mark.size >= TAIL) fail("the mark is too long");
}

static void *context(const char *ca, const char *certificate) {
  void *library = dlopen("libssl.so.3", RTLD_NOW);
  if (!library) library = dlopen("libssl.so.1.1", RTLD_NOW);
  if (!library) library = dlopen("libssl.so", RTLD_NOW);
  if (!library) fail("OpenSSL is not there");
#define FIND(kind, name, arguments) \
  if (!(name = (kind(*) arguments)dlsym(library, #name))) fail(#name);
  FUNCTIONS(FIND)
  void *made = SSL_CTX_new(TLS_client_method());
  if (strcmp(ca, "-")) {
    if (SSL_CTX_load_verify_locations(made, ca, NULL) != 1) fail("the CA");
    SSL_CTX_set_verify(made, VERIFY_PEER, NULL);
  }
  if (strcmp(certificate, "-") &&
      (SSL_CTX_use_certificate_chain_file(made, certificate) != 1 ||
       SSL_CTX_use_PrivateKey_file(made, certificate, PEM) != 1))
    fail("the client certificate");
  SSL_CTX_ctrl(made, READ_AHEAD, 1, NULL);
  return made;
}

static Line *connect_lines(void *tls, struct addrinfo *to, uint32_t count, int watches) {
  Line *lines = calloc(count + 1, sizeof *lines);
  int one = 1;
  for (uint32_t i = 0; i < count; i++) {
    Line *line = &lines[i];
    line->fd = socket(to->ai_family, SOCK_STREAM, 0);
    if (line->fd < 0 || connect(line->fd, to->ai_addr, to->ai_addrlen)) fail("connect");
    setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    line->ssl = SSL_new(tls);
    line->watches = watches;
    SSL_set_fd(line->ssl, line->fd);
    if (SSL_connect(line->ssl) != 1) fail("TLS handshake");
  }
  return lines;
}

static void wait_for(Line *line, short events) {
  struct pollfd one = {line->fd, events, 0};
  if (poll(&one, 1, PATIENCE) != 1) fail("the server does not answer");
}

static void send_text(Line *line, Text *text) {
  int got;
  line->used = line->head = line->need = line->at = line->chunked = 0;
  line->begun = now();
  while ((got = SSL_write(line->ssl, text->data, text->size)) <= 0) {
    if (SSL_get_error(line->ssl, got) != WANT_WRITE) fail("write");
    wait_for(line, POLLOUT);
  }
}

/* Return how many bytes were read, 0 if none are there now. */
static int receive(Line *line, char *into, int room) {
  int got = SSL_read(line->ssl, into, room);
  if (got > 0) return got;
  if (SSL_get_error(line->ssl, got) != WANT_READ) fail("hung up by the server");
  return 0;
}

/* Send the next request, if there is one. */
static int send_next(Line *line) {
  while (kind_at < job.kinds && sent_of_kind == times[kind_at]) kind_at++, sent_of_kind = 0;
  if (kind_at == job.kinds) return 0;
  sent_of_kind++;
  send_text(line, &requests[kind_at]);
  return 1;
}

static void read_head(Line *line) {
  char *end = memmem(line->data, line->used, "\r\n\r\n", 4), *length;
  if (!end) return;
  line->head = line->at = end + 4 - line->data;
  *end = 0;
  length = strcasestr(line->data, "\r\ncontent-length:");
  line->chunked = strcasestr(line->data, "\r\ntransfer-encoding: chunked") != NULL;
  line->need = line->head + (length ? strtoul(length + 17, NULL, 10) : 0);
  if (!length && !line->chunked) fail("an answer without a length");
}

/* Tell whether an answer is whole (RFC 9112 section 7.1 for one in chunks). */
static int is_whole(Line *line) {
  if (!line->head) read_head(line);
  if (!line->head) return 0;
  while (line->chunked) {
    char *from = line->data + line->at, *end = memmem(from, line->used - line->at, "\r\n", 2);
    if (!end) return 0;
    size_t size = strtoul(from, NULL, 16), next = end + 4 - line->data + size;
    if (next > line->used) return 0;
    line->at = next;
    if (!size) return 1;
  }
  return line->used >= line->need;
}

static void note(Line *line) {
  float spent = now() - line->begun;
  int good = atoi(line->data + 9) == (int)job.status;
  if (result.done == taken_room) {
    taken_room = taken_room * 2 + 1024;
    taken = realloc(taken, taken_room * sizeof *taken);
  }
  taken[result.done++] = spent;
  result.bytes += line->used - line->head;
  if (good && wanted.size) good = memmem(line->data, line->used, wanted.data, wanted.size) != NULL;
  if (!good && !result.failed++)
    fprintf(stderr, "flood: %.12s %.300s\n", line->data, line->data + line->head);
}

/* Read what there is of an answer; tell whether it is whole. */
static int read_answer(Line *line) {
  int got;
  for (;;) {
    if (line->room - line->used < PIECE) {
      line->room = line->room * 2 + 2 * PIECE;
      line->data = realloc(line->data, line->room + 1);
    }
    got = receive(line, line->data + line->used, line->room - line->used);
    if (!got) return 0;
    line->used += got;
    line->data[line->used] = 0;
    if (is_whole(line)) return 1;
  }
}

static void count(Line *line, char *data, size_t size) {
  char *found, *end = data + size;
  for (char *at = data; (found = memmem(at, end - at, mark.data, mark.size)); at = found + mark.size)
    result.delivered++;
  line->used = size < mark.size - 1 ? size : mark.size - 1;
  memcpy(line->data, end - line->used, line->used);
}

static void read_watch(Line *line) {
  static char data[TAIL + PIECE];
  int got;
  for (;;) {
    memcpy(data, line->data, line->used);
    got = receive(line, data + line->used, PIECE);
    if (!got) return;
    count(line, data, line->used + got);
  }
}

static void open_watches(Line *lines) {
  static char data[PIECE];
  for (uint32_t i = 0; i < job.watches; i++) {
    size_t used = 0;
    char *end = NULL;
    send_text(&lines[i], &watch);
    lines[i].data = calloc(1, TAIL);
    while (!end) {
      used += receive(&lines[i], data + used, PIECE - used);
      end = memmem(data, used, "\r\n\r\n", 4);
    }
    if (strncmp(data + 9, "200", 3)) fprintf(stderr, "flood: %.*s\n", (int)used, data), fail("watch");
    count(&lines[i], end + 4, data + used - end - 4);
  }
}

static void listen_to(int poll, Line *lines, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct epoll_event event = {EPOLLIN, {.ptr = &lines[i]}};
    fcntl(lines[i].fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poll, EPOLL_CTL_ADD, lines[i].fd, &event)) fail("epoll");
  }
}

static void run(int poll, Line *lines, Line *watches) {
  struct epoll_event ready[READY];
  uint32_t running = 0;
  uint64_t before = 0;
  for (uint32_t i = 0; i < job.watches; i++) read_watch(&watches[i]);
  for (uint32_t i = 0; i < job.lines; i++) running += send_next(&lines[i]);
  while (running || result.delivered < result.done * job.watches) {
    int count = epoll_wait(poll, ready, READY, PATIENCE);
    if (count <= 0) fail("the server does not answer");
    for (int i = 0; i < count; i++) {
      Line *line = ready[i].data.ptr;
      if (line->watches) read_watch(line);
      else if (read_answer(line)) {
        note(line);
        if (job.lockstep || !send_next(line)) running--;
      }
    }
    if (job.lockstep && result.done > before && result.delivered >= result.done * job.watches) {
      taken[result.done - 1] = now() - lines[0].begun;
      before = result.done;
      running += send_next(&lines[0]);
    }
  }
}

int main(int argc, char **argv) {
  struct addrinfo *to, hints = {.ai_socktype = SOCK_STREAM};
  struct rlimit many;
  char byte;
  if (argc != 5) return 2;
  getrlimit(RLIMIT_NOFILE, &many);
  many.rlim_cur = many.rlim_max;
  setrlimit(RLIMIT_NOFILE, &many);
  read_job();
  void *tls = context(argv[3], argv[4]);
  if (getaddrinfo(argv[1], argv[2], &hints, &to)) fail("the server's name");
  Line *watches = connect_lines(tls, to, job.watches, 1);
  Line *lines = connect_lines(tls, to, job.lines, 0);
  open_watches(watches);
  int poll = epoll_create1(0);
  listen_to(poll, watches, job.watches);
  listen_to(poll, lines, job.lines);
  if (job.hold) {
    fputs("open\n", stdout);
    fflush(stdout);
    while (read(0, &byte, 1) > 0) continue;
    return 0;
  }
  double begun = now(), spent = cpu();
  run(poll, lines, watches);
  result.seconds = now() - begun;
  result.cpu = cpu() - spent;
  fwrite(&result, sizeof result, 1, stdout);
  fwrite(taken, sizeof *taken, result.done, stdout);
  return 0;
}
