#include "virtio.h"

/* Inflates as far as it is told to, gives statistics, deflates when the target falls. */

#define VECTOR 0x30
#define FIRST_PAGE 0x1000u /* 16 MiB */
#define BATCH 256

static struct virtio balloon;
static struct virtq inflate, deflate, statistics;
static volatile uint32_t changes;
static uint32_t pages[BATCH];
static struct { uint16_t tag; uint64_t value; } __attribute__((packed)) figures[2] = { { 4, 111 }, { 5, 222 } };

INTERRUPT on_balloon(struct frame *frame)
{
    (void)frame;
    uint32_t why = virtio_read(&balloon, 0x60);
    virtio_write(&balloon, 0x64, why);
    if (why & 2) changes++;
    end_of_interrupt();
}

/* So many pages from FIRST_PAGE on, 256 at a time, the highest first. */
static void tell(struct virtq *q, uint32_t count)
{
    for (uint32_t done = 0; done < count; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) pages[i] = FIRST_PAGE + count - 1 - done - i;
        virtq_desc(q, 0, pages, sizeof pages, 0, 0);
        virtq_put(&balloon, q, 0);
        virtq_wait(q);
    }
}

static void actual(uint32_t count) { write32(balloon.base + 0x104, count); }

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    mask_pic();
    set_handler(VECTOR, on_balloon);
    load_idt();
    enable_lapic();
    balloon = virtio_find(5, 0);
    route(balloon.gsi, VECTOR);
    virtio_begin(&balloon, ~0ull);
    virtio_queue(&balloon, 0, &inflate);
    virtio_queue(&balloon, 1, &deflate);
    virtio_queue(&balloon, 2, &statistics);
    virtio_start(&balloon);
    virtq_desc(&statistics, 0, figures, sizeof figures, 0, 0);
    virtq_put(&balloon, &statistics, 0);

    uint32_t target = virtio_config32(&balloon, 0);
    put_line("target", target);
    volatile uint32_t *first = (uint32_t *)(uintptr_t)(FIRST_PAGE << 12);
    volatile uint32_t *last = (uint32_t *)(uintptr_t)((FIRST_PAGE + target - 1) << 12);
    volatile uint32_t *beyond = (uint32_t *)(uintptr_t)((FIRST_PAGE + target) << 12);
    for (uint32_t page = FIRST_PAGE; page <= FIRST_PAGE + target; page++) *(uint32_t *)(uintptr_t)(page << 12) = page;
    put("touched\n");
    tell(&inflate, target);
    actual(target);
    if (*beyond != FIRST_PAGE + target) fail("a page beyond was taken", *beyond);
    put("inflated\n");

    while (changes == 0) wait_for_interrupt();
    if (virtio_config32(&balloon, 0) != 0) fail("target", virtio_config32(&balloon, 0));
    if (*first | *last) fail("a page in the balloon was kept", *first);
    tell(&deflate, target);
    actual(0);
    *first = 5;
    if (*first != 5) fail("a page did not come back", *first);
    pass();
}
