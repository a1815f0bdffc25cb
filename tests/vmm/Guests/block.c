#include "virtio.h"

/* A disk of at least 64 sectors: written, flushed, read, asked for too much, discarded; by interrupts. */

#define IN 0
#define OUT 1
#define FLUSH 4
#define GET_ID 8
#define DISCARD 11
#define WRITE_ZEROES 13
#define PIECES 4
#define VECTOR 0x30

static struct virtio disk;
static struct virtq queue;
static volatile uint32_t interrupts, reasons;
static struct { uint32_t type, zero; uint64_t sector; } header;
static uint8_t data[PIECES][1024] __attribute__((aligned(512))), back[PIECES * 1024];
static volatile uint8_t status;

INTERRUPT on_disk(struct frame *frame)
{
    (void)frame;
    uint32_t why = virtio_read(&disk, 0x60);
    virtio_write(&disk, 0x64, why);
    reasons |= why;
    interrupts++;
    end_of_interrupt();
}

/* Sleeps until the request is back. Interrupts are off but while halted, so none is missed. */
static uint8_t finish(uint32_t *written)
{
    status = 0xee;
    virtq_put(&disk, &queue, 0);
    while (!virtq_has_used(&queue)) wait_for_interrupt();
    if (virtq_take(&queue, written) != 0) fail("another head came back", 0);
    return status;
}

static uint8_t request(uint32_t type, uint64_t sector, void *at, uint32_t length, uint16_t flags, uint32_t *written)
{
    header.type = type;
    header.sector = sector;
    virtq_desc(&queue, 0, &header, sizeof header, D_NEXT, length ? 1 : 2);
    virtq_desc(&queue, 1, at, length, D_NEXT | flags, 2);
    virtq_desc(&queue, 2, &status, 1, D_WRITE, 0);
    return finish(written);
}

/* The same data in pieces, through a table of their own. */
static uint8_t scattered(uint32_t type, uint64_t sector, uint16_t flags)
{
    static struct virtq_desc table[PIECES + 2];
    header.type = type;
    header.sector = sector;
    table[0] = (struct virtq_desc){ (uintptr_t)&header, sizeof header, D_NEXT, 1 };
    for (int i = 0; i < PIECES; i++)
        table[i + 1] = (struct virtq_desc){ (uintptr_t)data[i], sizeof data[i], D_NEXT | flags, i + 2 };
    table[PIECES + 1] = (struct virtq_desc){ (uintptr_t)&status, 1, D_WRITE, 0 };
    virtq_desc(&queue, 0, table, sizeof table, D_INDIRECT, 0);
    return finish(NULL);
}

static void expect(const char *what, uint64_t is, uint64_t should)
{
    if (is == should) return;
    put_line("expected", should);
    fail(what, is);
}

void guest_main(uintptr_t boot, int protocol)
{
    (void)boot, (void)protocol;
    uint32_t written;
    mask_pic();
    set_handler(VECTOR, on_disk);
    load_idt();
    enable_lapic();
    disk = virtio_find(2, 0);
    route(disk.gsi, VECTOR);
    virtio_begin(&disk, ~0ull);
    virtio_queue(&disk, 0, &queue);
    virtio_start(&disk);
    uint64_t sectors = virtio_config64(&disk, 0);
    put_line("sectors", sectors);

    for (int i = 0; i < PIECES; i++) memset(data[i], 'a' + i, sizeof data[i]);
    expect("scattered write", scattered(OUT, 8, 0), 0);
    expect("flush", request(FLUSH, 0, NULL, 0, 0, NULL), 0);
    expect("read", request(IN, 8, back, sizeof back, D_WRITE, &written), 0);
    expect("bytes of a read", written, sizeof back + 1);
    expect("what was read", memcmp(back, data, sizeof back), 0);

    expect("read past the end", request(IN, sectors, back, 512, D_WRITE, &written), 1);
    expect("write past the end", request(OUT, sectors - 1, data, 1024, 0, NULL), 1);
    expect("half a sector", request(OUT, 0, data, 256, 0, NULL), 1);
    expect("unknown request", request(99, 0, back, 512, D_WRITE, NULL), 2);

    struct { uint64_t sector; uint32_t sectors, flags; } range = { 8, 4, 0 };
    expect("discard", request(DISCARD, 0, &range, sizeof range, 0, NULL), 0);
    range.sector = 12;
    range.flags = 1;
    expect("write zeroes", request(WRITE_ZEROES, 0, &range, 8, 0, NULL), 1);
    range.sectors = 2;
    expect("write zeroes", request(WRITE_ZEROES, 0, &range, sizeof range, 0, NULL), 0);
    expect("read zeroes", request(IN, 8, back, sizeof back, D_WRITE, NULL), 0);
    memset(data, 0, 3072);
    expect("what was zeroed", memcmp(back, data, sizeof back), 0);

    memset(back, 0, 32);
    expect("id", request(GET_ID, 0, back, 20, D_WRITE, &written), 0);
    put("id=");
    put((char *)back);
    put("\nready\n");

    /* The host changes the file now: a new capacity, told by an interrupt. */
    while (!(reasons & 2)) wait_for_interrupt();
    put_line("sectors", virtio_config64(&disk, 0));
    expect("read of the other file", request(IN, 0, back, 512, D_WRITE, NULL), 0);
    put_line("byte", back[0]);
    if (interrupts < 2) fail("interrupts", interrupts);

    /* And a reset, after which it all works again. */
    virtio_begin(&disk, F_INDIRECT);
    memset(&queue, 0, sizeof queue);
    virtio_queue(&disk, 0, &queue);
    virtio_start(&disk);
    expect("scattered read after a reset", scattered(IN, 0, D_WRITE), 0);
    expect("what was read", data[3][1023], back[0]);
    pass();
}
