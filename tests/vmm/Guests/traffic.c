#include "vsock.h"

/*
 * Traffic that a snapshot is taken in the midst of: a disk is written sector by sector, each with its own number in it, and read
 * back, by interrupts; connections of the host to port 22 get each packet back. Told that the transport was reset it forgets
 * its connection. After Ctrl-Alt-Del it says how many sectors it has written and ends.
 */

#define IN 0
#define OUT 1
#define VECTOR 0x30
#define EVENTS 4

static struct virtio disk;
static struct virtq queue;
static struct { uint32_t type, zero; uint64_t sector; } header;
static uint64_t written_sector[64] __attribute__((aligned(512))), read_sector[64] __attribute__((aligned(512)));
static volatile uint8_t status;
static uint64_t sectors, count, resets;
static uint32_t event[EVENTS];
static bool connected;

INTERRUPT on_disk(struct frame *frame)
{
    (void)frame;
    virtio_write(&disk, 0x64, virtio_read(&disk, 0x60));
    end_of_interrupt();
}

static void transfer(uint32_t type, uint64_t sector, void *at, uint16_t flags)
{
    header.type = type;
    header.sector = sector;
    status = 0xee;
    virtq_desc(&queue, 0, &header, sizeof header, D_NEXT, 1);
    virtq_desc(&queue, 1, at, 512, D_NEXT | flags, 2);
    virtq_desc(&queue, 2, &status, 1, D_WRITE, 0);
    virtq_put(&disk, &queue, 0);
    while (!virtq_has_used(&queue)) wait_for_interrupt();
    virtq_take(&queue, NULL);
    if (status) fail("status of a request", status);
}

/* The number at the beginning, and something made of it at the end. */
static void write_one(void)
{
    written_sector[0] = count;
    written_sector[63] = count * 0x9e3779b97f4a7c15ull;
    transfer(OUT, count, written_sector, 0);
    uint64_t back = count / 2;
    transfer(IN, back, read_sector, D_WRITE);
    if (read_sector[0] != back || read_sector[63] != back * 0x9e3779b97f4a7c15ull) fail("another sector was read", back);
    count++;
}

static void on_packet(const struct packet *p)
{
    if (p->src_cid != 2 || p->dst_cid != cid || p->type != 1) fail("not for us", p->dst_cid);
    if (p->op == REQUEST) {
        if (p->dst_port != 22) fail("port", p->dst_port);
        guest_port = 22;
        host_port = p->src_port;
        received = forwarded = announced = sent = 0;
        connected = true;
        vsock_send(RESPONSE, 0, 0, 0);
    } else if (connected && p->src_port == host_port) {
        if (p->op == RW) {
            forwarded += p->len;
            vsock_send(RW, 0, p->data, p->len);
        } else if (p->op == SHUTDOWN) {
            vsock_send(SHUTDOWN, 3, 0, 0);
        } else if (p->op == RST) {
            connected = false;
        }
    }
}

static void post_event(int i)
{
    virtq_desc(&events, i, &event[i], sizeof event[i], D_WRITE, 0);
    virtq_put(&vsock, &events, i);
}

static void poll_events(void)
{
    if (!virtq_has_used(&events)) return;
    uint32_t length;
    int i = virtq_take(&events, &length);
    if (length != 4 || event[i]) fail("event", event[i]);
    connected = false;
    resets++;
    put("moved\n");
    post_event(i);
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    mask_pic();
    set_handler(VECTOR, on_disk);
    load_idt();
    enable_lapic();
    disk = virtio_find(2, 0);
    route(disk.gsi, VECTOR);
    virtio_begin(&disk, F_EVENT_IDX);
    virtio_queue(&disk, 0, &queue);
    virtio_start(&disk);
    sectors = virtio_config64(&disk, 0);
    vsock_start();
    for (int i = 0; i < EVENTS; i++) post_event(i);
    put("ready\n");
    while (!(inb(0x64) & 1)) {
        int index;
        struct packet *p = vsock_poll(&index);
        if (p) {
            on_packet(p);
            vsock_post(index, sizeof(struct packet));
        }
        poll_events();
        if (count < sectors) write_one();
    }
    put_line("sectors", count);
    put_line("resets", resets);
    pass();
}
