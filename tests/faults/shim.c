/* What a disk and a clock do, told and changed: loaded before libc by LD_PRELOAD.

   Record: every write, truncation, sync, removal and renaming under one directory, with its bytes.
   Refuse: the k-th write or sync and some after it, or every so many-th, fail with an errno.
   Clock: CLOCK_REALTIME is off by the nanoseconds that a file holds; CLOCK_MONOTONIC is right. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

enum { WRITES = 1, SYNCS = 2 };

static char directory[PATH_MAX];
static size_t directory_length;
static int trace = -1;
static int kinds, fault;
static long from, until, every, met;
static volatile int64_t *offset_ns;

void shim_watch(const char *path) {
  snprintf(directory, sizeof directory, "%s/", path);
  directory_length = strlen(directory);
}

void shim_record(const char *path) {
  trace = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

void shim_refuse(int which, long first, long count, long step, int error) {
  kinds = which, from = first, until = first + count, every = step, fault = error, met = 0;
}

long shim_met(void) { return met; }

int shim_clock(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  void *there = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (there == MAP_FAILED) return -1;
  offset_ns = there;
  return 0;
}

static ssize_t real_write(int file, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  return real(file, bytes, count);
}

/* The name of an open file below the directory, or null. */
static const char *watched(int file, char *name) {
  char link[64];
  if (!directory_length) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, name, PATH_MAX - 1);
  if (length < 0) return 0;
  name[length] = 0;
  return strncmp(name, directory, directory_length) ? 0 : name + directory_length;
}

static void tell(char kind, const char *name, int64_t at, const void *bytes, int64_t size) {
  if (trace < 0) return;
  struct { int64_t kind, at, size, inner; } head = {kind, at, size, (int64_t)strlen(name)};
  real_write(trace, &head, sizeof head);
  real_write(trace, name, (size_t)head.inner);
  if (size) real_write(trace, bytes, (size_t)size);
}

void shim_note(int64_t number) { tell('N', "", number, 0, 0); }

static int refused(int which) {
  if (!(kinds & which)) return 0;
  long now = __sync_add_and_fetch(&met, 1);
  if (now < from || now >= until || (now - from) % every) return 0;
  errno = fault;
  return 1;
}

static ssize_t put(int file, const void *bytes, size_t count, off64_t at) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  char name[PATH_MAX];
  const char *known = watched(file, name);
  if (known && refused(WRITES)) return -1;
  ssize_t written = real(file, bytes, count, at);
  if (known && written > 0) tell('W', known, at, bytes, written);
  return written;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
  return put(file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
  return put(file, bytes, count, at);
}

ssize_t write(int file, const void *bytes, size_t count) {
  char name[PATH_MAX];
  const char *known = file > 2 ? watched(file, name) : 0;
  if (known && refused(WRITES)) return -1;
  off64_t at = known ? lseek64(file, 0, SEEK_CUR) : 0;
  ssize_t written = real_write(file, bytes, count);
  if (known && written > 0) tell('W', known, at, bytes, written);
  return written;
}

static int synced(int file, int (*real)(int)) {
  char name[PATH_MAX];
  const char *known = watched(file, name);
  if (known && refused(SYNCS)) return -1;
  int result = real(file);
  if (known && !result) tell('S', known, 0, 0, 0);
  return result;
}

int fdatasync(int file) {
  REAL(int, "fdatasync", int);
  return synced(file, real);
}

int fsync(int file) {
  REAL(int, "fsync", int);
  return synced(file, real);
}

static int cut(int file, off64_t size) {
  REAL(int, "ftruncate64", int, off64_t);
  char name[PATH_MAX];
  const char *known = watched(file, name);
  if (known && refused(WRITES)) return -1;
  int result = real(file, size);
  if (known && !result) tell('T', known, size, 0, 0);
  return result;
}

int ftruncate64(int file, off64_t size) { return cut(file, size); }
int ftruncate(int file, off_t size) { return cut(file, size); }

int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  int result = real(path);
  if (!result && directory_length && !strncmp(path, directory, directory_length))
    tell('U', path + directory_length, 0, 0, 0);
  return result;
}

int rename(const char *old, const char *new) {
  REAL(int, "rename", const char *, const char *);
  int result = real(old, new);
  if (!result && directory_length && !strncmp(old, directory, directory_length)) {
    const char *to = new + directory_length;
    tell('R', old + directory_length, 0, to, (int64_t)strlen(to));
  }
  return result;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  REAL(int, "clock_gettime", clockid_t, struct timespec *);
  int result = real(clock, now);
  if (!result && offset_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t sum = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + *offset_ns;
    if (sum < 0) sum = 0;
    now->tv_sec = sum / 1000000000;
    now->tv_nsec = sum % 1000000000;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  now->tv_sec = fine.tv_sec;
  now->tv_usec = fine.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *result) {
  struct timespec fine;
  clock_gettime(CLOCK_REALTIME, &fine);
  if (result) *result = fine.tv_sec;
  return fine.tv_sec;
}
