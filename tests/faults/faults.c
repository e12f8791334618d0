/* Makes calls to the disk fail, and loses what was not made durable, as a power cut does.
 *
 * Preloaded into a process (LD_PRELOAD). Only files below the directory of faults_begin count. Each
 * call that changes what is on the disk has a number, from 1; at the chosen one it fails, or the
 * process is killed, or the power is cut: of what was written since the last fsync of a file each
 * write stays, goes, or stays in part (sectors), by chance, and names that were not made durable
 * (rename, unlink) are as they were before. So a test can try every call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NOTHING, FAIL, KILL, CUT };
enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, MAP = 8, NAME = 16, CLAIM = 32 };
#define SECTOR 512
#define UNDOS 100000

/* What a write found, to be put back; or a name that was changed. */
struct undo {
    dev_t device;
    ino_t inode;
    char path[PATH_MAX];  /* of the file; of a rename: the new name */
    char other[PATH_MAX]; /* of a rename: the old name; else empty */
    int had;              /* of a rename: whether the new name was taken (kept aside) */
    off_t offset, size;   /* size of the file before */
    size_t length;
    char *old;
    size_t kept;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static int mode, kinds, code;
static long at, count, until;
static unsigned seed;
static struct undo *undos;
static long undo_count;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static unsigned chance(void) {
    seed = seed * 1103515245u + 12345u;
    return seed >> 16;
}

/* Begin: `mode` happens at call `at` of one of `kinds`, and of failures the next `more` as well. */
void faults_begin(const char *where, int what, int which, long number, long more, int error,
                  unsigned by) {
    pthread_mutex_lock(&lock);
    if (!undos)
        undos = calloc(UNDOS, sizeof *undos);
    snprintf(folder, sizeof folder, "%s", where);
    mode = what, kinds = which, at = number, until = number + more, code = error, seed = by;
    count = 0, undo_count = 0;
    pthread_mutex_unlock(&lock);
}

/* A plan may come with the environment: FAULTS="mode kinds at", FAULTS_FOLDER. */
__attribute__((constructor)) static void faults_planned(void) {
    const char *plan = getenv("FAULTS"), *where = getenv("FAULTS_FOLDER");
    int what, which;
    long number;
    if (plan && where && sscanf(plan, "%d %d %ld", &what, &which, &number) == 3)
        faults_begin(where, what, which, number, 0, EIO, (unsigned)number);
}

long faults_count(void) { return count; }

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

static int ours(const char *path) {
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length);
}

static void put_back(struct undo *undo) {
    if (*undo->other) {
        char aside[PATH_MAX + 8];
        snprintf(aside, sizeof aside, "%s.aside", undo->path);
        REAL(rename)(undo->path, undo->other);
        if (undo->had)
            REAL(rename)(aside, undo->path);
        return;
    }
    int fd = REAL(open)(undo->path, O_WRONLY);
    if (fd < 0)
        return;
    size_t from = chance() % 3 ? 0 : chance() % (undo->length / SECTOR + 1) * SECTOR;
    if (from < undo->kept)
        if (REAL(pwrite)(fd, undo->old + from, undo->kept - from, undo->offset + from) < 0)
            _exit(98);
    if (undo->offset + (off_t)undo->length > undo->size && !from)
        if (REAL(ftruncate)(fd, undo->size > undo->offset ? undo->size : undo->offset))
            _exit(98);
    close(fd);
}

static void cut(void) {
    for (long i = undo_count - 1; i >= 0; i--)
        if (undos[i].path[0] && (*undos[i].other || chance() % 2))
            put_back(&undos[i]);
    _exit(99);
}

/* Count a call; tell whether it is to fail. Held: the lock. */
static int struck(int kind) {
    if (!(kinds & kind))
        return 0;
    count++;
    if (mode == FAIL)
        return count >= at && count <= until;
    if (count != at)
        return 0;
    if (mode == KILL)
        _exit(99);
    if (mode == CUT)
        cut();
    return 0;
}

static void remember(int fd, const char *path, off_t offset, size_t length) {
    struct stat info;
    if (mode != CUT || undo_count == UNDOS || fstat(fd, &info))
        return;
    struct undo *undo = &undos[undo_count++];
    memset(undo, 0, sizeof *undo);
    snprintf(undo->path, sizeof undo->path, "%s", path);
    undo->device = info.st_dev, undo->inode = info.st_ino;
    undo->offset = offset, undo->length = length, undo->size = info.st_size;
    undo->old = malloc(length);
    int reader = REAL(open)(path, O_RDONLY);
    ssize_t kept = reader < 0 ? 0 : pread(reader, undo->old, length, offset);
    undo->kept = kept < 0 ? 0 : (size_t)kept;
    if (reader >= 0)
        close(reader);
}

static void durable(int fd) {
    struct stat info;
    char path[PATH_MAX];
    if (fstat(fd, &info) || !path_of(fd, path))
        return;
    size_t length = strlen(path);
    for (long i = 0; i < undo_count; i++) {
        struct undo *undo = &undos[i];
        int name = *undo->other && S_ISDIR(info.st_mode) && !strncmp(undo->path, path, length);
        if (name || (undo->device == info.st_dev && undo->inode == info.st_ino))
            undo->path[0] = 0;
    }
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    char path[PATH_MAX];
    if (!path_of(fd, path) || !ours(path))
        return REAL(pwrite)(fd, data, size, offset);
    pthread_mutex_lock(&lock);
    if (struck(WRITE)) {
        pthread_mutex_unlock(&lock);
        errno = code;
        return -1;
    }
    int now = fcntl(fd, F_GETFL) & O_DSYNC;
    if (!now)
        remember(fd, path, offset, size);
    ssize_t done = REAL(pwrite)(fd, data, size, offset);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return pwrite(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    off_t offset = *folder ? lseek(fd, 0, SEEK_CUR) : -1;
    if (offset < 0 || !path_of(fd, path) || !ours(path))
        return REAL(write)(fd, data, size);
    ssize_t done = pwrite(fd, data, size, offset);
    if (done > 0)
        lseek(fd, offset + done, SEEK_SET);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int number, off_t offset) {
    char path[PATH_MAX];
    if (!path_of(fd, path) || !ours(path))
        return REAL(pwritev)(fd, parts, number, offset);
    ssize_t whole = 0;
    for (int i = 0; i < number; i++) {
        ssize_t done = pwrite(fd, parts[i].iov_base, parts[i].iov_len, offset + whole);
        if (done < 0)
            return whole ? whole : -1;
        whole += done;
    }
    return whole;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int number, off64_t offset) {
    return pwritev(fd, parts, number, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
    char path[PATH_MAX];
    off_t offset = *folder ? lseek(fd, 0, SEEK_CUR) : -1;
    if (offset < 0 || !path_of(fd, path) || !ours(path))
        return REAL(writev)(fd, parts, number);
    ssize_t done = pwritev(fd, parts, number, offset);
    if (done > 0)
        lseek(fd, offset + done, SEEK_SET);
    return done;
}

static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    if (!path_of(fd, path) || !ours(path))
        return real(fd);
    pthread_mutex_lock(&lock);
    int failed = struck(SYNC), done = failed ? -1 : real(fd);
    if (!done)
        durable(fd);
    pthread_mutex_unlock(&lock);
    if (failed)
        errno = code;
    return done;
}

int fsync(int fd) { return synced(fd, REAL(fsync)); }
int fdatasync(int fd) { return synced(fd, REAL(fdatasync)); }

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    int failed = 0;
    if (path_of(fd, path) && ours(path)) {
        pthread_mutex_lock(&lock);
        failed = struck(TRUNCATE);
        pthread_mutex_unlock(&lock);
    }
    if (!failed)
        return REAL(ftruncate)(fd, size);
    errno = code;
    return -1;
}

int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int claims(int fd) {
    char path[PATH_MAX];
    if (!path_of(fd, path) || !ours(path))
        return 0;
    pthread_mutex_lock(&lock);
    int failed = struck(CLAIM);
    pthread_mutex_unlock(&lock);
    return failed;
}

int fallocate(int fd, int how, off_t offset, off_t size) {
    if (!claims(fd))
        return REAL(fallocate)(fd, how, offset, size);
    errno = code;
    return -1;
}

int fallocate64(int fd, int how, off64_t offset, off64_t size) {
    return fallocate(fd, how, offset, size);
}

int posix_fallocate(int fd, off_t offset, off_t size) {
    return claims(fd) ? code : REAL(posix_fallocate)(fd, offset, size);
}

int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    return posix_fallocate(fd, offset, size);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset) {
    char path[PATH_MAX];
    int failed = 0;
    if (fd >= 0 && *folder && path_of(fd, path) && ours(path)) {
        pthread_mutex_lock(&lock);
        failed = struck(MAP);
        pthread_mutex_unlock(&lock);
    }
    if (!failed)
        return REAL(mmap)(where, size, protection, flags, fd, offset);
    errno = code;
    return MAP_FAILED;
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t offset) {
    return mmap(where, size, protection, flags, fd, offset);
}

int rename(const char *from, const char *to) {
    char path[PATH_MAX];
    if (!realpath(from, path) || !ours(path))
        return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    if (struck(NAME)) {
        pthread_mutex_unlock(&lock);
        errno = code;
        return -1;
    }
    if (mode == CUT && undo_count < UNDOS) {
        struct undo *undo = &undos[undo_count++];
        char aside[PATH_MAX + 8];
        memset(undo, 0, sizeof *undo);
        snprintf(undo->path, sizeof undo->path, "%s", to);
        snprintf(undo->other, sizeof undo->other, "%s", from);
        snprintf(aside, sizeof aside, "%s.aside", to);
        unlink(aside);
        undo->had = !link(to, aside);
    }
    int done = REAL(rename)(from, to);
    pthread_mutex_unlock(&lock);
    return done;
}
