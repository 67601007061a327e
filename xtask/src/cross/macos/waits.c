/* macOS' calls to wait on an address, by Linux' futex, as strict as their documentation.
 *
 * Preloaded, so that the core finds them by name as it does on macOS. A call that breaks the rules ends the
 * process. Built with -DPUBLIC the calls of macOS 14.4 are there, else the private ones beneath them. */
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void demand(int holds) {
    if (!holds) abort();
}

static int sleep_on(void *address, uint32_t value, uint64_t nanoseconds) {
    struct timespec limit = { nanoseconds / 1000000000, nanoseconds % 1000000000 };
    demand(address && (uintptr_t)address % 4 == 0);
    if (syscall(SYS_futex, address, FUTEX_WAIT, value, &limit, 0, 0) == 0 || errno == EAGAIN) return 0;
    return -1;
}

static int wake_on(void *address) {
    long woken = syscall(SYS_futex, address, FUTEX_WAKE, INT32_MAX, 0, 0, 0);
    if (woken > 0) return 0;
    errno = ENOENT;
    return -1;
}

#ifdef PUBLIC
/* <os/os_sync_wait_on_address.h>: SHARED is 1, OS_CLOCK_MACH_ABSOLUTE_TIME is 32, and a timeout of 0 is invalid. */
int os_sync_wait_on_address_with_timeout(void *address, uint64_t value, size_t size, uint32_t flags, uint32_t clock,
                                         uint64_t nanoseconds) {
    demand(size == 4 && value <= UINT32_MAX && flags == 1 && clock == 32 && nanoseconds > 0);
    return sleep_on(address, (uint32_t)value, nanoseconds);
}

int os_sync_wake_by_address_all(void *address, size_t size, uint32_t flags) {
    demand(size == 4 && flags == 1);
    return wake_on(address);
}
#else
/* <sys/ulock.h> of XNU: UL_COMPARE_AND_WAIT_SHARED is 3, ULF_WAKE_ALL 0x100, and a timeout of 0 is for ever. */
int __ulock_wait(uint32_t operation, void *address, uint64_t value, uint32_t microseconds) {
    demand(operation == 3 && value <= UINT32_MAX && microseconds > 0);
    return sleep_on(address, (uint32_t)value, (uint64_t)microseconds * 1000);
}

int __ulock_wake(uint32_t operation, void *address, uint64_t thread) {
    demand(operation == (3 | 0x100) && thread == 0);
    return wake_on(address);
}
#endif
