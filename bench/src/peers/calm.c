/* Preloaded into a program that polls RDMA completions: where there are none it sleeps, instead of asking again at once.
 * So that the number of polls follows from the messages and hardly from the device, and instructions can be counted. callgrind leaves
 * calm_sleep out of the count (--toggle-collect). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <infiniband/verbs.h>
#include <stddef.h>
#include <time.h>

/* A program with several queues must come to the others as well. */
enum { TRIES = 8, SLEEP_NS = 4000000 };

static int (*poll_of_device)(struct ibv_cq *, int, struct ibv_wc *);

__attribute__((noinline)) void calm_sleep(void) {
    const struct timespec time = {0, SLEEP_NS};
    nanosleep(&time, NULL);
}

static int poll_calmly(struct ibv_cq *queue, int most, struct ibv_wc *into) {
    for (int left = TRIES;; left--) {
        int found = poll_of_device(queue, most, into);
        if (found != 0 || left == 0)
            return found;
        calm_sleep();
    }
}

struct ibv_context *ibv_open_device(struct ibv_device *device) {
    struct ibv_context *(*open_device)(struct ibv_device *) =
        (struct ibv_context *(*)(struct ibv_device *))dlsym(RTLD_NEXT, "ibv_open_device");
    struct ibv_context *context = open_device ? open_device(device) : NULL;
    if (context) {
        poll_of_device = context->ops.poll_cq;
        context->ops.poll_cq = poll_calmly;
    }
    return context;
}
