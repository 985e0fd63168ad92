/* A disk that fails: calls of the C library on files of one kind return an error, from the nth on, so many times.
 *
 * Preloaded (LD_PRELOAD) by the long form of the file rig. A plan is "CALL END NTH TIMES": "fsync -wal 3 1" lets the third
 * fsync or fdatasync of a file whose name ends in -wal fail, once. It comes from RIG_SHIM, or from rig_fail() later. A write
 * that fails has written half of its bytes, as disks do.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static char call[16], end[16];
static int before, times, failed;

void rig_fail(const char *plan) {
    pthread_mutex_lock(&turn);
    failed = 0;
    if (sscanf(plan, "%15s %15s %d %d", call, end, &before, &times) != 4) {
        call[0] = 0;
    }
    pthread_mutex_unlock(&turn);
}

int rig_failed(void) { return failed; }

__attribute__((constructor)) static void begin(void) {
    const char *plan = getenv("RIG_SHIM");
    if (plan != NULL) {
        rig_fail(plan);
    }
}

static int named(int file) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) {
        return 0;
    }
    name[length] = 0;
    char *gone = strstr(name, " (deleted)");
    if (gone != NULL) {
        *gone = 0;
    }
    size_t whole = strlen(name), part = strlen(end);
    return whole >= part && strcmp(name + whole - part, end) == 0;
}

static int fails(const char *which, int file) {
    int hit = 0, kept = errno;
    if (call[0] == 0) {
        return 0;
    }
    pthread_mutex_lock(&turn);
    if (strcmp(call, which) == 0 && times > 0 && named(file) && --before <= 0) {
        times--;
        failed++;
        hit = 1;
    }
    pthread_mutex_unlock(&turn);
    errno = hit ? EIO : kept;
    return hit;
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

int fsync(int file) { return fails("fsync", file) ? -1 : REAL("fsync", int (*)(int))(file); }

int fdatasync(int file) { return fails("fsync", file) ? -1 : REAL("fdatasync", int (*)(int))(file); }

#define WRITES(name, offset_type)                                                             \
    ssize_t name(int file, const void *bytes, size_t count, offset_type at) {                 \
        ssize_t (*real)(int, const void *, size_t, offset_type) =                             \
            REAL(#name, ssize_t (*)(int, const void *, size_t, offset_type));                 \
        if (fails("pwrite", file)) {                                                          \
            real(file, bytes, count / 2, at);                                                 \
            errno = EIO;                                                                      \
            return -1;                                                                        \
        }                                                                                     \
        return real(file, bytes, count, at);                                                  \
    }

#define CUTS(name, offset_type)                                                               \
    int name(int file, offset_type at) {                                                      \
        return fails("ftruncate", file) ? -1 : REAL(#name, int (*)(int, offset_type))(file, at); \
    }

WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)
CUTS(ftruncate, off_t)
CUTS(ftruncate64, off64_t)
