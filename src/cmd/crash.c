#include "cmd/crash.h"

#include "base/attr.h"
#include "cmd/program.h"
#include "rt/sanitize.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Only what may be called within a signal. */
static void on_crash(int signum)
{
    static const char text[] = "spate: ended by an error of its own, please report it\n";
    struct rlimit core = {0};
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    if (getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur > 0) {
        (void)raise(signum); /* once more, now without a handler */
        return;
    }
    program_exit(EXIT_CRASH);
}

void crash_init(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};
#if !defined RT_ASAN && !defined RT_TSAN
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &action, NULL);
#else
    (void)signals;
    (void)action;
#endif
}
