/* Loaded before libc (LD_PRELOAD): a disk that fails as it is told, and remembers what was written to it.
 *
 * DISK_CONTROL names a file whose first byte says how calls on databases fail from now on: 0 not at all.
 * DISK_LOG names a file that gets a record of each change, in the order they were made. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 65536

/* What a file is; 0: none of ours. */
enum { DATABASE = 1, LOG = 2, OTHER_DATABASE = 3, OTHER_LOG = 4 };
enum { FULL = 'F', WRITE = 'W', SYNC = 'S', READ_ONLY = 'R', READ = 'D' };
/* Kinds of records. */
enum { R_WRITE = 1, R_TRUNCATE = 2, R_SYNC = 3, R_UNLINK = 4 };

struct record {
    uint32_t kind, file;
    uint64_t offset, length;
};

static volatile char *control;
static int record_to = -1;
static unsigned char kinds[FILES_MAX];

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

static unsigned char kind_of(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (!strcmp(name, "forums.db")) return DATABASE;
    if (!strcmp(name, "forums.db-wal")) return LOG;
    if (!strcmp(name, "notebooks.db")) return OTHER_DATABASE;
    if (!strcmp(name, "notebooks.db-wal")) return OTHER_LOG;
    return 0;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *at = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
        control = at == MAP_FAILED ? NULL : at;
        close(fd);
    }
    path = getenv("DISK_LOG");
    if (path)
        record_to = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
}

static int told(int fd, char how) {
    return control && *control == how && fd >= 0 && fd < FILES_MAX && kinds[fd];
}

static void note(int fd, uint32_t kind, const void *data, uint64_t offset, uint64_t length) {
    if (record_to < 0 || fd < 0 || fd >= FILES_MAX || !kinds[fd])
        return;
    struct record record = {kind, kinds[fd], offset, length};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)data, data ? length : 0}};
    if (writev(record_to, parts, 2) < 0)
        abort();
}

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < FILES_MAX)
        kinds[fd] = kind_of(path);
    return fd;
}

#define OPEN(name)                                                    \
    int name(const char *path, int flags, ...) {                      \
        REAL(name);                                                   \
        va_list more;                                                 \
        va_start(more, flags);                                        \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                 \
        return opened(real(path, flags, mode), path);                 \
    }
OPEN(open)
OPEN(open64)

#define FAIL_WRITES(fd)                                               \
    do {                                                              \
        if (told(fd, FULL)) return errno = ENOSPC, -1;                \
        if (told(fd, WRITE)) return errno = EIO, -1;                  \
        if (told(fd, READ_ONLY)) return errno = EROFS, -1;            \
    } while (0)

#define PWRITE(name, type)                                            \
    ssize_t name(int fd, const void *data, size_t length, type at) {  \
        REAL(name);                                                   \
        FAIL_WRITES(fd);                                              \
        ssize_t written = real(fd, data, length, at);                 \
        if (written > 0)                                              \
            note(fd, R_WRITE, data, at, written);                     \
        return written;                                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define PREAD(name, type)                                             \
    ssize_t name(int fd, void *data, size_t length, type at) {        \
        REAL(name);                                                   \
        if (told(fd, READ)) return errno = EIO, -1;                   \
        return real(fd, data, length, at);                            \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

#define TRUNCATE(name, type)                                          \
    int name(int fd, type length) {                                   \
        REAL(name);                                                   \
        FAIL_WRITES(fd);                                              \
        int done = real(fd, length);                                  \
        if (!done)                                                    \
            note(fd, R_TRUNCATE, NULL, 0, length);                    \
        return done;                                                  \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC_CALL(name)                                               \
    int name(int fd) {                                                \
        REAL(name);                                                   \
        if (told(fd, SYNC)) return errno = EIO, -1;                   \
        int done = real(fd);                                          \
        if (!done)                                                    \
            note(fd, R_SYNC, NULL, 0, 0);                             \
        return done;                                                  \
    }
SYNC_CALL(fsync)
SYNC_CALL(fdatasync)

int unlink(const char *path) {
    REAL(unlink);
    int done = real(path);
    if (!done && record_to >= 0 && kind_of(path)) {
        struct record record = {R_UNLINK, kind_of(path), 0, 0};
        if (write(record_to, &record, sizeof record) < 0)
            abort();
    }
    return done;
}

#define STATVFS(name, type)                                           \
    int name(const char *path, struct type *about) {                  \
        REAL(name);                                                   \
        int done = real(path, about);                                 \
        if (!done && control && *control == READ_ONLY)                \
            about->f_flag |= ST_RDONLY;                               \
        return done;                                                  \
    }
STATVFS(statvfs, statvfs)
STATVFS(statvfs64, statvfs64)
