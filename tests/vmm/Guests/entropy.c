#include "virtio.h"

/* Two requests of two buffers each; the test judges the bytes. */

static struct virtq queue;
static uint8_t bytes[2][48];

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    struct virtio rng = virtio_find(4, 0);
    virtio_begin(&rng, F_EVENT_IDX);
    virtio_queue(&rng, 0, &queue);
    virtio_start(&rng);
    for (int i = 0; i < 2; i++) {
        virtq_desc(&queue, 0, bytes[i], 16, D_NEXT | D_WRITE, 1);
        virtq_desc(&queue, 1, bytes[i] + 16, 32, D_WRITE, 0);
        virtq_put(&rng, &queue, 0);
        put_line("written", virtq_wait(&queue));
        for (int j = 0; j < 48; j += 8) put_line("word", *(uint64_t *)(bytes[i] + j));
    }
    pass();
}
