#include "virtio.h"

/* One way of breaking a ring each, by TRICK; the machine is to end before the guest says so. */

static struct virtq queue;
static struct virtq_desc table[4] __attribute__((unused));
static uint8_t buffer[512];

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    struct virtio device = virtio_find(TYPE, 0);
    virtio_begin(&device, ~0ull);
    virtio_queue(&device, 0, &queue);
#if TRICK == 9 /* a ring where there is no memory */
    virtio_write(&device, 0x44, 0);
    virtio_write(&device, 0xa4, 0x7fffffff);
    virtio_write(&device, 0x44, 1);
#endif
    virtio_start(&device);
    virtq_desc(&queue, 0, buffer, 16, D_NEXT, 1);
    virtq_desc(&queue, 1, buffer, 16, D_WRITE, 0);
    uint16_t head = 0;
#if TRICK == 1 /* a chain that loops */
    queue.desc[1].flags |= D_NEXT;
    queue.desc[0].flags |= D_WRITE;
#elif TRICK == 2 /* a link out of the table */
    queue.desc[0].next = VIRTQ_SIZE;
#elif TRICK == 3 /* a head out of the table */
    head = 0xffff;
#elif TRICK == 4 /* an index that runs away */
    queue.avail.idx = 1000;
#elif TRICK == 5 /* memory that is not there */
    queue.desc[1].addr = 0xc0001000;
#elif TRICK == 6 /* a length past the end of memory */
    queue.desc[1].len = 0xffffffff;
#elif TRICK == 7 /* a table within a table */
    table[0] = (struct virtq_desc){ (uintptr_t)table, sizeof table, D_INDIRECT, 0 };
    queue.desc[0] = (struct virtq_desc){ (uintptr_t)table, sizeof table, D_INDIRECT, 0 };
#elif TRICK == 8 /* a table that loops */
    for (int i = 0; i < 4; i++) table[i] = (struct virtq_desc){ (uintptr_t)buffer, 1, D_NEXT | D_WRITE, (i + 1) % 4 };
    queue.desc[0] = (struct virtq_desc){ (uintptr_t)table, sizeof table, D_INDIRECT, 0 };
#elif TRICK == 10 /* readable after writable */
    queue.desc[0].flags = D_NEXT | D_WRITE;
    queue.desc[1].flags = 0;
#endif
    virtq_put_quietly(&queue, head);
    virtq_notify(&device, &queue);
    /* Long enough for the loop to have seen it, however busy the machine is. */
    for (int i = 0; i < 20000; i++) inb(0x61);
    fail("survived", TRICK);
}
