#include "vsock.h"

/* Echoes all a host sends on a connection to port 22, then all it sends on one we open to its port 52. */

static uint8_t ring[RING] __attribute__((aligned(8)));

/* Ring 0 may be emulated one string iteration at a time. */
static void copy(uint8_t *to, const uint8_t *from, uint32_t count)
{
    uint64_t words = count / 8;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    for (count %= 8; count; count--) *to++ = *from++;
}

static void keep(const struct packet *p)
{
    if (received - forwarded + p->len > RING) fail("more than our credit", p->len);
    uint32_t at = received % RING, run = RING - at < p->len ? RING - at : p->len;
    copy(ring + at, p->data, run);
    copy(ring, p->data + run, p->len - run);
    received += p->len;
}

static bool on_packet(const struct packet *p, bool *ended)
{
    if (p->src_cid != 2 || p->dst_cid != cid || p->type != 1) fail("not for us", p->dst_cid);
    if (p->src_port != host_port || p->dst_port != guest_port) fail("port", p->dst_port);
    switch (p->op) {
    case RW: keep(p); return false;
    case SHUTDOWN: *ended |= p->flags & 2; return false;
    case CREDIT_REQUEST: vsock_send(CREDIT_UPDATE, 0, 0, 0); return false;
    case CREDIT_UPDATE: return false;
    case RST: return true;
    default: fail("operation", p->op);
    }
}

static void give_back(void)
{
    while (received != forwarded) {
        uint32_t at = forwarded % RING, len = received - forwarded, credit = vsock_credit();
        if (len > RING - at) len = RING - at;
        if (len > credit) len = credit;
        if (!len) return;
        forwarded += len; /* The device is done with the bytes when vsock_send returns, and nobody writes meanwhile. */
        vsock_send(RW, 0, ring + at, len);
    }
    if (forwarded - announced >= RING / 2) vsock_send(CREDIT_UPDATE, 0, 0, 0);
}

static void echo(void)
{
    bool ended = false, told = false, over = false;
    while (!over) {
        int index;
        struct packet *p = vsock_poll(&index);
        if (p) {
            over = on_packet(p, &ended);
            vsock_post(index, sizeof(struct packet));
        }
        give_back();
        if (ended && !told && received == forwarded) {
            vsock_send(SHUTDOWN, 3, 0, 0);
            told = true;
        }
    }
    if (!told || received != forwarded) fail("RST before the end", received);
    put_line("echoed", received);
}

static void begin(uint32_t guest, uint32_t host)
{
    guest_port = guest;
    host_port = host;
    received = forwarded = announced = sent = 0;
}

static struct packet *next(int *index)
{
    struct packet *p;
    while (!(p = vsock_poll(index))) pause();
    return p;
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    int index;
    vsock_start();
    put("listening\n");
    struct packet *p = next(&index);
    if (p->op != REQUEST || p->dst_port != 22) fail("no request", p->op);
    begin(22, p->src_port);
    vsock_post(index, sizeof(struct packet));
    vsock_send(RESPONSE, 0, 0, 0);
    echo();

    begin(1024, 52);
    vsock_send(REQUEST, 0, 0, 0);
    p = next(&index);
    if (p->op != RESPONSE) fail("no response", p->op);
    vsock_post(index, sizeof(struct packet));
    echo();
    pass();
}
