/* What a disk has not synced yet, kept so that it can be taken back: see power.py.

   Loaded before libc into a process whose P2PCORE_POWER names a folder. Before a file below it is
   written or cut short, what was there goes to the end of FILE.undo; a sync of the file empties
   that. So at any moment, also after SIGKILL, FILE.undo says how the file was when it was synced
   last. One process writes a file at a time. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_FILES 4096
enum { UNKNOWN = 0, FOREIGN = -1 }; /* else: the descriptor of the file's undo, plus 1 */

struct change { /* all in the order of this machine, which reads it, too */
    uint64_t at, length, size_before, kept; /* `kept` bytes of what was there follow */
};

static int undo_of[MOST_FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int look_up(int file) {
    char link[64], path[4096];
    const char *folder = getenv("P2PCORE_POWER");
    struct stat is;
    if (folder == NULL || fstat(file, &is) != 0 || !S_ISREG(is.st_mode)) return FOREIGN;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 8);
    if (length <= 0) return FOREIGN;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)) != 0) return FOREIGN;
    strcat(path, ".undo");
    int undo = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return undo < 0 ? FOREIGN : undo + 1;
}

/* The descriptor of a file's undo; -1 for what is none of ours. */
static int undo_for(int file) {
    if (file < 0 || file >= MOST_FILES) return -1;
    if (undo_of[file] == UNKNOWN) undo_of[file] = look_up(file);
    return undo_of[file] == FOREIGN ? -1 : undo_of[file] - 1;
}

static void forget(int file) {
    if (file < 0 || file >= MOST_FILES) return;
    pthread_mutex_lock(&lock);
    if (undo_of[file] > 0) syscall(SYS_close, undo_of[file] - 1);
    undo_of[file] = UNKNOWN;
    pthread_mutex_unlock(&lock);
}

/* Read, also where the descriptor is for writing only. */
static int read_at(int file, char *to, uint64_t length, uint64_t at) {
    if (length == 0 || syscall(SYS_pread64, file, to, length, at) == (ssize_t)length) return 1;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int again = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (again < 0) return 0;
    int whole = syscall(SYS_pread64, again, to, length, at) == (ssize_t)length;
    syscall(SYS_close, again);
    return whole;
}

/* Keep what is at `at` before `length` bytes there change; or, to be cut off there, to the end. */
static void keep(int file, uint64_t at, uint64_t length) {
    pthread_mutex_lock(&lock);
    int undo = undo_for(file);
    struct stat is;
    if (undo >= 0 && fstat(file, &is) == 0) {
        uint64_t size = (uint64_t)is.st_size, end = at + length;
        if (end > size) end = size;
        struct change change = {at, length, size, end > at ? end - at : 0};
        char *block = malloc(sizeof change + change.kept);
        if (block != NULL) {
            memcpy(block, &change, sizeof change);
            if (read_at(file, block + sizeof change, change.kept, at))
                syscall(SYS_write, undo, block, sizeof change + change.kept);
            free(block);
        }
    }
    pthread_mutex_unlock(&lock);
}

static void synced(int file) {
    pthread_mutex_lock(&lock);
    int undo = undo_for(file);
    if (undo >= 0) syscall(SYS_ftruncate, undo, 0);
    pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    keep(file, (uint64_t)at, length);
    return syscall(SYS_pwrite64, file, data, length, at);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    return pwrite64(file, data, length, at);
}

ssize_t write(int file, const void *data, size_t length) {
    if (file >= 0 && file < MOST_FILES && undo_of[file] != FOREIGN) {
        struct stat is;
        int appends = fcntl(file, F_GETFL) & O_APPEND;
        off_t at = appends && fstat(file, &is) == 0 ? is.st_size : lseek(file, 0, SEEK_CUR);
        keep(file, at < 0 ? 0 : (uint64_t)at, length);
    }
    return syscall(SYS_write, file, data, length);
}

int ftruncate64(int file, off64_t size) {
    struct stat is;
    if (fstat(file, &is) == 0) {
        uint64_t cut = (uint64_t)size, end = (uint64_t)is.st_size;
        keep(file, cut < end ? cut : end, cut < end ? end - cut : cut - end);
    }
    return (int)syscall(SYS_ftruncate, file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int fdatasync(int file) {
    int result = (int)syscall(SYS_fdatasync, file);
    if (result == 0) synced(file);
    return result;
}

int fsync(int file) {
    int result = (int)syscall(SYS_fsync, file);
    if (result == 0) synced(file);
    return result;
}

int close(int file) {
    forget(file);
    return (int)syscall(SYS_close, file);
}

/* Descriptors are used again: whatever was closed otherwise is forgotten now. */
static int opened(int file) {
    int before = errno;
    if (file >= 0) forget(file);
    errno = before;
    return file;
}

static mode_t mode_of(int flags, va_list rest) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define OPEN(NAME)                                                            \
    int NAME(const char *path, int flags, ...) {                              \
        va_list rest;                                                         \
        va_start(rest, flags);                                                \
        mode_t mode = mode_of(flags, rest);                                   \
        va_end(rest);                                                         \
        return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode)); \
    }
OPEN(open)
OPEN(open64)
