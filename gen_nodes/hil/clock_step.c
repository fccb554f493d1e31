/* Steps the wall clock of one process, for tests: preloaded, it adds the nanoseconds in the file that the
 * variable GEN_CLOCK_STEP names to CLOCK_REALTIME. Monotonic clocks are not touched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;
static const volatile int64_t *step_ns;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void prepare(void)
{
  const char *path = getenv("GEN_CLOCK_STEP");
  real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0)
    return;
  void *page = mmap(NULL, sizeof *step_ns, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED)
    step_ns = page;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
  if (!real_clock_gettime)
    prepare();
  int result = real_clock_gettime(id, now);
  if (result || !step_ns || !*step_ns || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
    return result;
  int64_t stepped_ns = now->tv_sec * second_ns + now->tv_nsec + *step_ns;
  now->tv_sec = stepped_ns / second_ns;
  now->tv_nsec = stepped_ns % second_ns;
  return 0;
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
