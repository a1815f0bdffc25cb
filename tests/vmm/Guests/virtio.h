/*
 * The driver's side of virtio-mmio (virtio 1.2, 4.2 and 2.7): enough to find a device, agree with it and pass requests,
 * and plain enough that a guest may do any of it wrong on purpose. All structures lie below 4 GiB, mapped one to one.
 */
#ifndef VIRTIO_H
#define VIRTIO_H

#include "guest.h"

#define VIRTIO_FIRST 0xc0001000ul
#define VIRTIO_STEP 0x1000ul
#define VIRTIO_SLOTS 19
#define VIRTIO_FIRST_GSI 5

#define F_INDIRECT (1ull << 28)
#define F_EVENT_IDX (1ull << 29)
#define F_VERSION_1 (1ull << 32)

#define S_ACKNOWLEDGE 1
#define S_DRIVER 2
#define S_DRIVER_OK 4
#define S_FEATURES_OK 8
#define S_NEEDS_RESET 0x40

#define D_NEXT 1
#define D_WRITE 2
#define D_INDIRECT 4

#ifndef VIRTQ_SIZE
#define VIRTQ_SIZE 16
#endif

struct virtq_desc { uint64_t addr; uint32_t len; uint16_t flags, next; };

struct virtq {
    struct virtq_desc desc[VIRTQ_SIZE] __attribute__((aligned(16)));
    struct { uint16_t flags, idx, ring[VIRTQ_SIZE], used_event; } avail __attribute__((aligned(2)));
    struct { uint16_t flags, idx; struct { uint32_t id, len; } ring[VIRTQ_SIZE]; uint16_t avail_event; } used __attribute__((aligned(4)));
    uint16_t last_used;
    int number;
};

struct virtio { uintptr_t base; int gsi; uint64_t features; };

static inline uint32_t virtio_read(struct virtio *d, uint32_t reg) { return read32(d->base + reg); }
static inline void virtio_write(struct virtio *d, uint32_t reg, uint32_t value) { write32(d->base + reg, value); }
static inline uint32_t virtio_config32(struct virtio *d, uint32_t offset) { return read32(d->base + 0x100 + offset); }
static inline uint64_t virtio_config64(struct virtio *d, uint32_t offset)
{
    uint32_t generation;
    uint64_t value;
    do { /* 4.2.2.2: read again if it changed between the halves */
        generation = virtio_read(d, 0xfc);
        value = virtio_config32(d, offset) | (uint64_t)virtio_config32(d, offset + 4) << 32;
    } while (virtio_read(d, 0xfc) != generation);
    return value;
}

/* The nth device of a type, n from 0; the guest fails if there is none. */
static inline struct virtio virtio_find(uint32_t type, int nth)
{
    for (int slot = 0; slot < VIRTIO_SLOTS; slot++) {
        struct virtio d = { VIRTIO_FIRST + slot * VIRTIO_STEP, VIRTIO_FIRST_GSI + slot, 0 };
        if (virtio_read(&d, 0) != 0x74726976 || virtio_read(&d, 4) != 2) continue;
        if (virtio_read(&d, 8) == type && nth-- == 0) return d;
    }
    fail("no virtio device of type", type);
}

static inline void virtio_add_status(struct virtio *d, uint32_t bits) { virtio_write(d, 0x70, virtio_read(d, 0x70) | bits); }

/* Reset, then up to FEATURES_OK with those of the wanted features that are offered. */
static inline void virtio_begin(struct virtio *d, uint64_t wanted)
{
    virtio_write(d, 0x70, 0);
    virtio_add_status(d, S_ACKNOWLEDGE);
    virtio_add_status(d, S_DRIVER);
    virtio_write(d, 0x14, 0);
    uint64_t offered = virtio_read(d, 0x10);
    virtio_write(d, 0x14, 1);
    offered |= (uint64_t)virtio_read(d, 0x10) << 32;
    d->features = offered & (wanted | F_VERSION_1);
    virtio_write(d, 0x24, 0);
    virtio_write(d, 0x20, (uint32_t)d->features);
    virtio_write(d, 0x24, 1);
    virtio_write(d, 0x20, (uint32_t)(d->features >> 32));
    virtio_add_status(d, S_FEATURES_OK);
    if (!(virtio_read(d, 0x70) & S_FEATURES_OK)) fail("features refused", d->features);
}

static inline void virtio_address(struct virtio *d, uint32_t reg, const volatile void *at)
{
    virtio_write(d, reg, (uint32_t)(uintptr_t)at);
    virtio_write(d, reg + 4, (uint32_t)((uintptr_t)at >> 32));
}

static inline void virtio_queue(struct virtio *d, int number, struct virtq *q)
{
    virtio_write(d, 0x30, number);
    if (virtio_read(d, 0x34) < VIRTQ_SIZE) fail("queue too small", number);
    q->number = number;
    virtio_write(d, 0x38, VIRTQ_SIZE);
    virtio_address(d, 0x80, q->desc);
    virtio_address(d, 0x90, &q->avail);
    virtio_address(d, 0xa0, &q->used);
    virtio_write(d, 0x44, 1);
}

static inline void virtio_start(struct virtio *d) { virtio_add_status(d, S_DRIVER_OK); }

static inline void virtq_desc(struct virtq *q, int i, const volatile void *at, uint32_t len, uint16_t flags, uint16_t next)
{
    q->desc[i] = (struct virtq_desc){ (uintptr_t)at, len, flags, next };
}

/* Makes a chain available and notifies, unless the device said by the event index that it need not be told. */
static inline void virtq_put_quietly(struct virtq *q, uint16_t head)
{
    q->avail.ring[q->avail.idx % VIRTQ_SIZE] = head;
    barrier();
    *(volatile uint16_t *)&q->avail.idx = q->avail.idx + 1;
    __sync_synchronize();
}

static inline void virtq_notify(struct virtio *d, struct virtq *q) { virtio_write(d, 0x50, q->number); }

static inline void virtq_put(struct virtio *d, struct virtq *q, uint16_t head)
{
    uint16_t before = q->avail.idx;
    virtq_put_quietly(q, head);
    if (!(d->features & F_EVENT_IDX) || *(volatile uint16_t *)&q->used.avail_event == before) virtq_notify(d, q);
}

static inline bool virtq_has_used(struct virtq *q) { return *(volatile uint16_t *)&q->used.idx != q->last_used; }

/* The next chain that came back; asks for an interrupt at the one after it. */
static inline uint16_t virtq_take(struct virtq *q, uint32_t *written)
{
    barrier();
    uint16_t slot = q->last_used++ % VIRTQ_SIZE;
    if (written) *written = q->used.ring[slot].len;
    *(volatile uint16_t *)&q->avail.used_event = q->last_used;
    __sync_synchronize();
    return (uint16_t)q->used.ring[slot].id;
}

/* Waits without interrupts; returns the bytes the device says it wrote. */
static inline uint32_t virtq_wait(struct virtq *q)
{
    uint32_t written;
    while (!virtq_has_used(q)) pause();
    virtq_take(q, &written);
    return written;
}

#endif
