#include "virtio.h"

/* 10.0.0.2: answers ARP, sends UDP back to who sent it, and ends by a datagram that says so. With ASK_MMDS it first knocks at
   the metadata service: who has the address, and does the port open. */

#define HEADER 12
#define ROOM 2048
#define RX_BUFFERS 8

static struct virtio net;
static struct virtq rx, tx;
static uint8_t in[RX_BUFFERS][ROOM], out[ROOM], mac[6];
static const uint8_t ip[4] = { 10, 0, 0, 2 };

static void post(int i)
{
    virtq_desc(&rx, i, in[i], ROOM, D_WRITE, 0);
    virtq_put(&net, &rx, i);
}

/* The frame stands behind an empty header in `out`. */
static void send(uint32_t length)
{
    memset(out, 0, HEADER);
    virtq_desc(&tx, 0, out, HEADER + length, 0, 0);
    virtq_put(&net, &tx, 0);
    virtq_wait(&tx);
}

static void answer_arp(const uint8_t *frame)
{
    uint8_t *reply = out + HEADER;
    memcpy(reply, frame, 42);
    memcpy(reply, frame + 6, 6);
    memcpy(reply + 6, mac, 6);
    reply[21] = 2;
    memcpy(reply + 22, mac, 6);
    memcpy(reply + 28, ip, 4);
    memcpy(reply + 32, frame + 22, 10);
    send(42);
}

static void send_back(const uint8_t *frame, uint32_t length)
{
    uint8_t *reply = out + HEADER;
    memcpy(reply, frame, length);
    memcpy(reply, frame + 6, 6);
    memcpy(reply + 6, mac, 6);
    memcpy(reply + 26, frame + 30, 4);
    memcpy(reply + 30, frame + 26, 4);
    memcpy(reply + 34, frame + 36, 2);
    memcpy(reply + 36, frame + 34, 2);
    reply[40] = reply[41] = 0; /* UDP over IPv4 may go without a checksum. */
    send(length);
}

static const uint8_t *next(int *index, uint32_t *length)
{
    while (!virtq_has_used(&rx)) pause();
    *index = virtq_take(&rx, length);
    if (*length < HEADER) fail("written", *length);
    *length -= HEADER;
    return in[*index] + HEADER;
}

#ifdef ASK_MMDS
static void ask_mmds(void)
{
    static const uint8_t who[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
        0, 0, 0, 0, 0, 0, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 169, 254, 169, 254 };
    static const uint8_t syn[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0,
        10, 0, 0, 2, 169, 254, 169, 254, 4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x10, 0, 0, 0, 0, 0 };
    uint32_t length;
    int index;
    memcpy(out + HEADER, who, sizeof(who));
    memcpy(out + HEADER + 6, mac, 6);
    memcpy(out + HEADER + 22, mac, 6);
    send(sizeof(who));
    const uint8_t *frame = next(&index, &length);
    if (frame[13] != 6 || frame[21] != 2) fail("no ARP reply", frame[13]);
    memcpy(out + HEADER, syn, sizeof(syn));
    memcpy(out + HEADER, frame + 22, 6);
    memcpy(out + HEADER + 6, mac, 6);
    post(index);
    send(sizeof(syn));
    frame = next(&index, &length);
    if (frame[23] != 6 || frame[47] != 0x12) fail("no SYN+ACK", frame[47]);
    post(index);
    put("the metadata service is there\n");
}
#endif

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    net = virtio_find(1, 0);
    virtio_begin(&net, F_EVENT_IDX | 1 << 5);
    for (int i = 0; i < 6; i++) mac[i] = read8(net.base + 0x100 + i);
    virtio_queue(&net, 0, &rx);
    virtio_queue(&net, 1, &tx);
    virtio_start(&net);
    for (int i = 0; i < RX_BUFFERS; i++) post(i);
#ifdef ASK_MMDS
    ask_mmds();
#endif
    put("listening\n");
    for (uint64_t count = 0;;) {
        int index;
        uint32_t length;
        const uint8_t *frame = next(&index, &length);
        if (frame[12] == 8 && frame[13] == 6 && !memcmp(frame + 38, ip, 4)) answer_arp(frame);
        if (frame[12] == 8 && frame[13] == 0 && frame[23] == 17) {
            if (!memcmp(frame + 42, "the end", 7)) {
                put_line("datagrams", count);
                pass();
            }
            send_back(frame, length);
            count++;
        }
        post(index);
    }
}
