/* Steps the wall clock of one process, for tests: preloaded, it adds the nanoseconds in the file that the
 * variable GEN_CLOCK_STEP names to CLOCK_REALTIME, and takes them off again where a wait is given an end on
 * that clock. Monotonic clocks are not touched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;
static const time_t since_boot_s = 1000000000; /* an instant before this is on a monotonic clock */
static const volatile int64_t *step_ns;

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_cond)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
static int (*real_sem)(sem_t *, clockid_t, const struct timespec *);
static int (*real_mutex)(pthread_mutex_t *, clockid_t, const struct timespec *);

__attribute__((constructor)) static void prepare(void)
{
  real_cond = dlsym(RTLD_NEXT, "pthread_cond_clockwait");
  real_sem = dlsym(RTLD_NEXT, "sem_clockwait");
  real_mutex = dlsym(RTLD_NEXT, "pthread_mutex_clocklock");
  real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
  const char *path = getenv("GEN_CLOCK_STEP");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0)
    return;
  void *page = mmap(NULL, sizeof *step_ns, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED)
    step_ns = page;
}

static struct timespec shifted(struct timespec at, int64_t by_ns)
{
  int64_t ns = at.tv_sec * second_ns + at.tv_nsec + by_ns;
  return (struct timespec){ns / second_ns, ns % second_ns};
}

static struct timespec true_end(clockid_t id, const struct timespec *end)
{
  return id == CLOCK_REALTIME && step_ns ? shifted(*end, -*step_ns) : *end;
}

static clockid_t clock_of(const struct timespec *end)
{
  return end->tv_sec < since_boot_s ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

/* What the clock says */

int clock_gettime(clockid_t id, struct timespec *now)
{
  if (!real_gettime)
    prepare();
  int result = real_gettime(id, now);
  if (!result && step_ns && *step_ns && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
    *now = shifted(*now, *step_ns);
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
  (void)zone;
  struct timespec precise;
  int result = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return result;
}

time_t time(time_t *out)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out)
    *out = now.tv_sec;
  return now.tv_sec;
}

/* Waits until an instant */

int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t id, const struct timespec *end)
{
  struct timespec until = true_end(id, end);
  return real_cond(cond, mutex, id, &until);
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict end)
{
  return pthread_cond_clockwait(cond, mutex, clock_of(end), end);
}

int sem_clockwait(sem_t *sem, clockid_t id, const struct timespec *end)
{
  struct timespec until = true_end(id, end);
  return real_sem(sem, id, &until);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict end)
{
  return sem_clockwait(sem, CLOCK_REALTIME, end);
}

int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t id, const struct timespec *end)
{
  struct timespec until = true_end(id, end);
  return real_mutex(mutex, id, &until);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict end)
{
  return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, end);
}
