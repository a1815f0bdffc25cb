#include "vsock.h"

/* Everything a driver must not do that does not break a ring; afterwards a connection works as if nothing had been. */

static uint32_t seed = 12345;

static uint32_t any(void) { return seed = seed * 1664525 + 1013904223; }

static void drain(void)
{
    while (virtq_has_used(&rx)) vsock_post(virtq_take(&rx, 0), sizeof(struct packet));
}

/* A packet in one piece of `length` bytes, with `claimed` bytes of payload by its own words. */
static void raw(uint64_t src, uint64_t dst, uint16_t type, uint16_t op, uint32_t claimed, uint32_t length)
{
    struct packet *p = &out[1];
    *p = (struct packet){ .src_cid = src, .dst_cid = dst, .src_port = any() % 4, .dst_port = 50 + any() % 4, .len = claimed, .type = type,
        .op = op, .flags = any(), .buf_alloc = any(), .fwd_cnt = any() };
    virtq_desc(&tx, 2, p, length, 0, 0);
    virtq_put(&vsock, &tx, 2);
    virtq_wait(&tx);
    drain();
}

static void writable_where_readable_should_be(void)
{
    virtq_desc(&tx, 2, &out[1], HEADER, D_WRITE, 0);
    virtq_put(&vsock, &tx, 2);
    if (virtq_wait(&tx)) fail("written into a packet of ours", 0);
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    vsock_start();
    for (uint32_t length = 0; length <= HEADER; length += 11) raw(cid, 2, 1, REQUEST, 0, length ? length : 1);
    for (int op = 0; op < 10; op++) {
        raw(cid, 2, 1, op, 0, HEADER);
        raw(cid, 2, 1, op, 4000, HEADER + 40);
        raw(cid, 2, 1, op, 0xffffffff, HEADER + 4096);
        raw(cid, 2, 2, op, 0, HEADER);
        raw(cid, 2, 0xffff, op, 0, HEADER);
        raw(cid + 1, 2, 1, op, 0, HEADER);
        raw(cid, 3, 1, op, 0, HEADER);
        raw(cid | 1ull << 32, 2, 1, op, 0, HEADER);
        raw(0, 0, 1, op, 0, HEADER);
    }
    for (int i = 0; i < 200; i++) raw(cid, 2, 1, any() % 8, any() % 3 ? any() % 100 : any(), HEADER + any() % 100);
    writable_where_readable_should_be();

    int index;
    guest_port = 77;
    host_port = 52;
    forwarded = announced = sent = 0;
    for (int i = 0; i < 4; i++) { /* What there was on any of the ports is over. */
        out[1] = (struct packet){ .src_cid = cid, .dst_cid = 2, .src_port = i, .dst_port = 52, .type = 1, .op = RST };
        virtq_desc(&tx, 2, &out[1], HEADER, 0, 0);
        virtq_put(&vsock, &tx, 2);
        virtq_wait(&tx);
    }
    drain();
    vsock_send(REQUEST, 0, 0, 0);
    for (;;) {
        struct packet *p = vsock_poll(&index);
        if (!p) continue;
        if (p->op == RESPONSE && p->dst_port == 77) break;
        if (p->dst_port == 77) fail("refused", p->op);
        vsock_post(index, sizeof(struct packet));
    }
    vsock_send(RW, 0, "alive", 5);
    vsock_send(SHUTDOWN, 3, 0, 0);
    pass();
}
