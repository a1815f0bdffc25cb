/* A vsock driver for one connection at a time (virtio 1.2, 5.10). */
#ifndef VSOCK_H
#define VSOCK_H

#include "virtio.h"

enum { REQUEST = 1, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };

struct packet {
    uint64_t src_cid, dst_cid;
    uint32_t src_port, dst_port, len;
    uint16_t type, op;
    uint32_t flags, buf_alloc, fwd_cnt;
    uint8_t data[4096];
} __attribute__((packed, aligned(8)));

#define HEADER 44
#define RING 65536u
#define RX_BUFFERS 8

static struct virtio vsock;
static struct virtq rx, tx, events;
static struct packet in[RX_BUFFERS], out[VIRTQ_SIZE];
static uint64_t cid;

/* The connection. */
static uint32_t guest_port, host_port;
static uint32_t received __attribute__((unused)), forwarded, announced; /* towards us */
static uint32_t sent, peer_alloc, peer_forwarded; /* away from us */

static inline void vsock_post(int i, uint32_t length)
{
    virtq_desc(&rx, i, &in[i], length, D_WRITE, 0);
    virtq_put(&vsock, &rx, i);
}

static inline void vsock_start(void)
{
    vsock = virtio_find(19, 0);
    virtio_begin(&vsock, F_EVENT_IDX);
    cid = virtio_config64(&vsock, 0);
    virtio_queue(&vsock, 0, &rx);
    virtio_queue(&vsock, 1, &tx);
    virtio_queue(&vsock, 2, &events);
    virtio_start(&vsock);
    for (int i = 0; i < RX_BUFFERS; i++) vsock_post(i, sizeof(struct packet));
}

/* Sends header and bytes, and waits until the device is done with them. */
static inline void vsock_send(uint16_t op, uint32_t flags, const void *data, uint32_t len)
{
    struct packet *p = &out[0];
    *(volatile uint64_t *)&p->src_cid = cid;
    p->dst_cid = 2;
    p->src_port = guest_port;
    p->dst_port = host_port;
    p->len = len;
    p->type = 1;
    p->op = op;
    p->flags = flags;
    p->buf_alloc = RING;
    p->fwd_cnt = announced = forwarded;
    virtq_desc(&tx, 0, p, HEADER, len ? D_NEXT : 0, 1);
    if (len) virtq_desc(&tx, 1, data, len, 0, 0);
    virtq_put(&vsock, &tx, 0);
    virtq_wait(&tx);
    sent += len;
}

/* The next packet for us, or none. It stays good until it is posted again. */
static inline struct packet *vsock_poll(int *index)
{
    if (!virtq_has_used(&rx)) return 0;
    uint32_t written;
    *index = virtq_take(&rx, &written);
    struct packet *p = &in[*index];
    if (written != HEADER + p->len) fail("written", written);
    peer_alloc = p->buf_alloc;
    peer_forwarded = p->fwd_cnt;
    return p;
}

static inline uint32_t vsock_credit(void) { return peer_alloc - (sent - peer_forwarded); }

#endif
