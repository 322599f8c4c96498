/* Preloaded into every process of a run: counts the calls on files whose path matches a pattern, over all processes
 * together, and lets the n-th of them kill its process or fail. It also writes down each name in /dev/shm.
 *
 * FAULT_CALL     write, fsync, rename, unlink, open (for writing) or mkdir; without it nothing is counted
 * FAULT_PATH     a pattern of fnmatch(3) for the file's path; of a rename, for either path
 * FAULT_NUMBER   which call it is: 1 is the first; 0 only counts
 * FAULT_ACT      before, half, after: SIGKILL before the call, after half of the bytes, after the call;
 *                EIO: the call fails once; ENOSPC: it and all later ones fail; full: half of it is done, then ENOSPC
 * FAULT_COUNTER  a file of 8 bytes, which the processes share as their counter
 * FAULT_LOG      a file that gets the line "pid call path" when it happens
 * SHM_LOG        a file that gets the names that are created in /dev/shm
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
enum act { PASS, BEFORE, HALF, AFTER, FAIL };

static void note(const char *variable, const char *line)
{
    const char *path = getenv(variable);
    long file = path ? syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0)
        return;
    syscall(SYS_write, file, line, strlen(line));
    syscall(SYS_close, file);
}

static long counted(void)
{
    static long *counter;
    if (!counter) {
        const char *path = getenv("FAULT_COUNTER");
        long file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
        void *shared = file < 0 ? MAP_FAILED : mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (file >= 0)
            syscall(SYS_close, file);
        if (shared == MAP_FAILED)
            return -1;
        counter = shared;
    }
    return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What happens to this call; FAIL comes with errno. */
static enum act fate(const char *call, const char *path, const char *other)
{
    const char *wanted = getenv("FAULT_CALL"), *pattern = getenv("FAULT_PATH"), *act = getenv("FAULT_ACT");
    const char *number = getenv("FAULT_NUMBER");
    char line[2 * PATH_MAX];
    long count, at;

    if (!wanted || !pattern || !act || !number || strcmp(wanted, call))
        return PASS;
    if (fnmatch(pattern, path, 0) && (!other || fnmatch(pattern, other, 0)))
        return PASS;
    count = counted(), at = atol(number);
    if (at == 0 || count < at)
        return PASS;
    if (count > at) {
        errno = ENOSPC;
        return strcmp(act, "ENOSPC") && strcmp(act, "full") ? PASS : FAIL;
    }
    snprintf(line, sizeof line, "%d %s %s\n", (int)getpid(), call, path);
    note("FAULT_LOG", line);
    if (!strcmp(act, "before"))
        die();
    if (!strcmp(act, "after"))
        return AFTER;
    if (!strcmp(act, "half") || !strcmp(act, "full"))
        return HALF;
    errno = strcmp(act, "EIO") ? ENOSPC : EIO;
    return FAIL;
}

static enum act fate_of_descriptor(const char *call, int descriptor)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    int before = errno;

    if (!getenv("FAULT_CALL"))
        return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return PASS;
    path[length] = 0;
    return fate(call, path, NULL);
}

/* Where a name leads that is looked up in a folder. */
static const char *joined(int folder, const char *name, char *into)
{
    char link[64], path[PATH_MAX];
    ssize_t length;

    if (name[0] == '/' || !getenv("FAULT_CALL"))
        return name;
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return name;
    path[length] = 0;
    snprintf(into, 2 * PATH_MAX, "%s/%s", path, name);
    return into;
}

static enum act fate_of_name(const char *call, int folder, const char *name)
{
    char path[2 * PATH_MAX];
    int before = errno;
    enum act act;

    name = joined(folder, name, path);
    errno = before;
    act = fate(call, name, NULL);
    return act;
}

static enum act fate_of_names(int here, const char *from, int there, const char *to)
{
    char paths[2][2 * PATH_MAX];
    return fate("rename", joined(here, from, paths[0]), joined(there, to, paths[1]));
}

static int half_is_all(void)
{
    const char *act = getenv("FAULT_ACT");
    return act && !strcmp(act, "half");
}

/* A call on whole bytes: half of it is a shorter one. */
#define WRITING(name, ...)                                                                                             \
    enum act act = fate_of_descriptor("write", descriptor);                                                            \
    ssize_t done;                                                                                                      \
    if (act == FAIL)                                                                                                   \
        return -1;                                                                                                     \
    if (act == HALF)                                                                                                   \
        size /= 2;                                                                                                     \
    done = NEXT(name)(__VA_ARGS__);                                                                                    \
    if (act == AFTER || (act == HALF && half_is_all()))                                                                \
        die();                                                                                                         \
    return done

ssize_t write(int descriptor, const void *bytes, size_t size) { WRITING(write, descriptor, bytes, size); }
ssize_t pwrite(int descriptor, const void *bytes, size_t size, off_t at) { WRITING(pwrite, descriptor, bytes, size, at); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t size, off64_t at)
{
    WRITING(pwrite64, descriptor, bytes, size, at);
}

/* A call that has no halves: half of it is none of it. */
#define WHOLE(fate, call)                                                                                              \
    enum act act = fate;                                                                                               \
    int done;                                                                                                          \
    if (act == HALF) {                                                                                                 \
        if (half_is_all())                                                                                             \
            die();                                                                                                     \
        errno = ENOSPC;                                                                                                \
        return -1;                                                                                                     \
    }                                                                                                                  \
    if (act == FAIL)                                                                                                   \
        return -1;                                                                                                     \
    done = call;                                                                                                       \
    if (act == AFTER)                                                                                                  \
        die();                                                                                                         \
    return done

int fsync(int descriptor) { WHOLE(fate_of_descriptor("fsync", descriptor), NEXT(fsync)(descriptor)); }
int fdatasync(int descriptor) { WHOLE(fate_of_descriptor("fsync", descriptor), NEXT(fdatasync)(descriptor)); }
int rename(const char *from, const char *to)
{
    WHOLE(fate_of_names(AT_FDCWD, from, AT_FDCWD, to), NEXT(rename)(from, to));
}
int renameat(int here, const char *from, int there, const char *to)
{
    WHOLE(fate_of_names(here, from, there, to), NEXT(renameat)(here, from, there, to));
}
int renameat2(int here, const char *from, int there, const char *to, unsigned int flags)
{
    WHOLE(fate_of_names(here, from, there, to), NEXT(renameat2)(here, from, there, to, flags));
}
int unlink(const char *path) { WHOLE(fate_of_name("unlink", AT_FDCWD, path), NEXT(unlink)(path)); }
int rmdir(const char *path) { WHOLE(fate_of_name("unlink", AT_FDCWD, path), NEXT(rmdir)(path)); }
int unlinkat(int folder, const char *name, int flags)
{
    WHOLE(fate_of_name("unlink", folder, name), NEXT(unlinkat)(folder, name, flags));
}

int mkdir(const char *path, mode_t mode)
{
    char line[PATH_MAX + 2];
    if (!strncmp(path, "/dev/shm/", 9)) {
        snprintf(line, sizeof line, "%s\n", path + 9);
        note("SHM_LOG", line);
    }
    WHOLE(fate_of_name("mkdir", AT_FDCWD, path), NEXT(mkdir)(path, mode));
}

/* Opening counts where it may make or change a file. */
#define OPENING(folder, call)                                                                                          \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }                                                                                                                  \
    WHOLE((flags & O_ACCMODE) == O_RDONLY ? PASS : fate_of_name("open", folder, path), call)

int open(const char *path, int flags, ...) { OPENING(AT_FDCWD, NEXT(open)(path, flags, mode)); }
int open64(const char *path, int flags, ...) { OPENING(AT_FDCWD, NEXT(open64)(path, flags, mode)); }
int openat(int folder, const char *path, int flags, ...) { OPENING(folder, NEXT(openat)(folder, path, flags, mode)); }
int openat64(int folder, const char *path, int flags, ...)
{
    OPENING(folder, NEXT(openat64)(folder, path, flags, mode));
}

int shm_open(const char *name, int flags, mode_t mode)
{
    char line[PATH_MAX + 2];
    if (flags & O_CREAT) {
        snprintf(line, sizeof line, "%s\n", name + (name[0] == '/'));
        note("SHM_LOG", line);
    }
    return NEXT(shm_open)(name, flags, mode);
}

sem_t *sem_open(const char *name, int flags, ...)
{
    char line[PATH_MAX + 6];
    va_list rest;
    mode_t mode;
    unsigned int value;

    if (!(flags & O_CREAT))
        return NEXT(sem_open)(name, flags);
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    value = va_arg(rest, unsigned int);
    va_end(rest);
    snprintf(line, sizeof line, "sem.%s\n", name + (name[0] == '/'));
    note("SHM_LOG", line);
    return NEXT(sem_open)(name, flags, mode, value);
}
