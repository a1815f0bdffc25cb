// The first and only process of test guests: loads the modules, then does what do= on the kernel's command line says.
// Words are separated by commas, their arguments by colons: do=cpus,write:vda:7,reboot. Each prints one line on the
// console. The first word that fails says why and ends the machine with "guest: FAILED".
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, UNIT = 64 * 1024, WRITERS = 4, MIB = 1024 * 1024 };

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char line[512];
    int length = snprintf(line, sizeof line, "guest: ");
    length += vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    if (write(1, line, length) != length) _exit(2);
}

static void end(int command)
{
    sync();
    reboot(command);
    for (;;) pause();
}

static void fail(const char *what)
{
    say("FAILED %s: %s", what, strerror(errno));
    end(RB_AUTOBOOT);
}

static void need(int ok, const char *what)
{
    if (!ok) fail(what);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void *buffer(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    need(memory != MAP_FAILED, "mmap");
    return memory;
}

static void load_modules(void)
{
    FILE *order = fopen("/modules/order", "r");
    need(order != NULL, "/modules/order");
    char name[128], path[160];
    while (fscanf(order, "%127s%*[^\n]", name) == 1) {
        snprintf(path, sizeof path, "/modules/%s", name);
        int module = open(path, O_RDONLY | O_CLOEXEC);
        need(module >= 0 && (syscall(SYS_finit_module, module, "", 0) == 0 || errno == EEXIST), path);
        close(module);
    }
    fclose(order);
}

// --- disks ---

static int disk(const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/%s", name);
    for (double limit = now() + 20; now() < limit; usleep(1000)) {
        int found = open(path, flags | O_DIRECT | O_CLOEXEC);
        if (found >= 0 || (errno != ENOENT && errno != ENXIO)) return found;
    }
    return -1;
}

static uint64_t size_of(int disk)
{
    uint64_t bytes;
    need(ioctl(disk, BLKGETSIZE64, &bytes) == 0, "BLKGETSIZE64");
    return bytes;
}

// Nothing of it repeats: no block can stand for another, nor for itself with another seed.
static void fill(uint64_t *words, uint64_t number, uint64_t seed)
{
    uint64_t state = (number + 1) * 0x9e3779b97f4a7c15u ^ (seed + 1) * 0xbf58476d1ce4e5b9u;
    for (int i = 0; i < BLOCK / 8; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        words[i] = state;
    }
    words[0] = number;
    words[1] = seed;
}

// One of several processes: its share of the units in an order without neighbours, each in pieces of one size, 4 to 64 KiB.
static void share(int disk, int writer, uint64_t seed, int reading)
{
    char *got = buffer(UNIT), *wanted = buffer(UNIT);
    uint64_t units = size_of(disk) / UNIT;
    for (uint64_t i = writer; i < units; i += WRITERS) {
        uint64_t unit = (i * 2654435761u + seed) % units; // A permutation: the sizes are powers of two.
        int piece = BLOCK << (unit % 5);
        for (int at = 0; at < UNIT; at += BLOCK) fill((uint64_t *)(wanted + at), unit * (UNIT / BLOCK) + at / BLOCK, seed);
        for (int at = 0; at < UNIT; at += piece) {
            off_t offset = unit * UNIT + at;
            if (reading) need(pread(disk, got + at, piece, offset) == piece, "pread");
            else need(pwrite(disk, wanted + at, piece, offset) == piece, "pwrite");
        }
        errno = EILSEQ;
        if (reading) need(memcmp(got, wanted, UNIT) == 0, "a block read is not the block written");
    }
}

static void together(const char *name, uint64_t seed, int reading)
{
    int file = disk(name, reading ? O_RDONLY : O_RDWR);
    need(file >= 0, name);
    for (int i = 0; i < WRITERS; i++) {
        pid_t child = fork();
        need(child >= 0, "fork");
        if (child) continue;
        share(file, i, seed, reading);
        _exit(0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        need(wait(&status) > 0 && status == 0, "a writer");
    }
    if (!reading) need(fsync(file) == 0, "fsync");
    say("%s %s: %llu bytes", reading ? "verified" : "wrote", name, (unsigned long long)size_of(file));
    close(file);
}

static void refuse(const char *name)
{
    char *bytes = buffer(BLOCK);
    int file = disk(name, O_RDWR);
    if (file < 0) say("%s cannot be opened for writing: %s", name, strerror(errno));
    else if (pwrite(file, bytes, BLOCK, 0) < 0) say("%s cannot be written: %s", name, strerror(errno));
    else fail("a read-only disk took a write");
    file = disk(name, O_RDONLY);
    need(file >= 0 && pread(file, bytes, BLOCK, 0) == BLOCK, "read of the read-only disk");
}

static void discard(const char *name)
{
    int file = disk(name, O_RDWR);
    need(file >= 0, name);
    uint64_t range[2] = { 0, size_of(file) / 2 };
    need(ioctl(file, BLKDISCARD, range) == 0, "BLKDISCARD");
    uint64_t zeroes[2] = { size_of(file) / 2, MIB };
    need(ioctl(file, BLKZEROOUT, zeroes) == 0, "BLKZEROOUT");
    char *bytes = buffer(BLOCK), *zero = buffer(BLOCK);
    for (uint64_t at = 0; at < range[1] + MIB; at += 512 * BLOCK) {
        need(pread(file, bytes, BLOCK, at) == BLOCK, "pread");
        need(memcmp(bytes, zero, BLOCK) == 0, "what was discarded does not read as zeroes");
    }
    say("discarded %llu bytes of %s", (unsigned long long)range[1], name);
    close(file);
}

// The whole disk in requests of 1 MiB, one after another.
static void sequential(const char *name, int writing)
{
    int file = disk(name, writing ? O_RDWR : O_RDONLY);
    need(file >= 0, name);
    char *bytes = buffer(MIB);
    memset(bytes, 0x5a, MIB);
    uint64_t size = size_of(file);
    double start = now();
    for (uint64_t at = 0; at < size; at += MIB) need((writing ? pwrite(file, bytes, MIB, at) : pread(file, bytes, MIB, at)) == MIB, name);
    say("%s %.0f bytes/s", writing ? "sequential-write" : "sequential-read", size / (now() - start));
    close(file);
}

// --- entropy, clock ---

static void entropy(void)
{
    unsigned char bytes[64];
    char text[2 * sizeof bytes + 1];
    int device = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
    need(device >= 0, "/dev/hwrng");
    for (size_t got = 0; got < sizeof bytes;) {
        ssize_t count = read(device, bytes + got, sizeof bytes - got);
        need(count > 0, "read of /dev/hwrng");
        got += count;
    }
    for (size_t i = 0; i < sizeof bytes; i++) sprintf(text + 2 * i, "%02x", bytes[i]);
    say("entropy %s", text);
}

// Says the two clocks again and again; for ever.
static void tick(void)
{
    for (;; usleep(50000)) say("tick %.3f wall %.0f", now(), (double)time(NULL));
}

// --- network ---

static void network(const char *address)
{
    struct ifreq request = { .ifr_name = "eth0" };
    struct sockaddr_in *value = (struct sockaddr_in *)&request.ifr_addr;
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    value->sin_family = AF_INET;
    need(control >= 0 && inet_aton(address, &value->sin_addr), address);
    need(ioctl(control, SIOCSIFADDR, &request) == 0, "address of eth0");
    inet_aton("255.255.255.0", &value->sin_addr);
    need(ioctl(control, SIOCSIFNETMASK, &request) == 0, "netmask of eth0");
    need(ioctl(control, SIOCGIFFLAGS, &request) == 0, "flags of eth0");
    request.ifr_flags |= IFF_UP;
    need(ioctl(control, SIOCSIFFLAGS, &request) == 0, "eth0 up");
    close(control);
    say("network up");
}

// Takes all that one peer sends, then sends it back.
static void echo(int port, size_t most)
{
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(bind(listener, (struct sockaddr *)&any, sizeof any) == 0 && listen(listener, 1) == 0, "listen");
    say("listening");
    int peer = accept(listener, NULL, NULL);
    need(peer >= 0, "accept");
    char *bytes = buffer(most);
    size_t count = 0;
    for (ssize_t got; (got = read(peer, bytes + count, most - count)) != 0; count += got) need(got > 0, "receive");
    for (size_t at = 0; at < count;) {
        ssize_t put = write(peer, bytes + at, count - at);
        need(put > 0, "send");
        at += put;
    }
    close(peer);
    close(listener);
    say("echoed %zu bytes", count);
}

// --- vsock: to a listener of the host ---

static void stream(int port, int mib, int sending)
{
    struct sockaddr_vm host = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
    int peer = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(peer >= 0 && connect(peer, (struct sockaddr *)&host, sizeof host) == 0, "connect to the host");
    char *bytes = buffer(MIB);
    size_t whole = (size_t)mib * MIB, done = 0;
    double start = now();
    for (; sending && done < whole;) {
        ssize_t put = write(peer, bytes, MIB);
        need(put > 0, "send to the host");
        done += put;
    }
    if (sending) need(shutdown(peer, SHUT_WR) == 0, "shutdown");
    // The host's end closes when it has read everything.
    for (ssize_t got; (got = read(peer, bytes, MIB)) != 0;) {
        need(got > 0, "receive from the host");
        if (!sending) done += got;
    }
    double took = now() - start;
    errno = EILSEQ;
    need(done == whole, "fewer or more bytes than agreed");
    say("%s %.0f bytes/s", sending ? "vsock-send" : "vsock-receive", whole / took);
    close(peer);
}

static void perform(char *word)
{
    char *verb = strtok(word, ":"), *first = strtok(NULL, ":"), *second = strtok(NULL, ":");
    long one = first ? atol(first) : 0, two = second ? atol(second) : 0;
    if (!strcmp(verb, "cpus")) say("cpus %ld", sysconf(_SC_NPROCESSORS_ONLN));
    else if (!strcmp(verb, "write")) together(first, two, 0);
    else if (!strcmp(verb, "verify")) together(first, two, 1);
    else if (!strcmp(verb, "refuse")) refuse(first);
    else if (!strcmp(verb, "discard")) discard(first);
    else if (!strcmp(verb, "read-all")) sequential(first, 0);
    else if (!strcmp(verb, "write-all")) sequential(first, 1);
    else if (!strcmp(verb, "entropy")) entropy();
    else if (!strcmp(verb, "tick")) tick();
    else if (!strcmp(verb, "network")) network(first);
    else if (!strcmp(verb, "echo")) echo(one, (two + 1) * MIB);
    else if (!strcmp(verb, "send")) stream(one, two, 1);
    else if (!strcmp(verb, "receive")) stream(one, two, 0);
    else if (!strcmp(verb, "hold")) for (;;) pause();
    else if (!strcmp(verb, "reboot")) end(RB_AUTOBOOT);
    else if (!strcmp(verb, "off")) end(RB_POWER_OFF);
    else if (!strcmp(verb, "panic")) _exit(1);
    else errno = EINVAL, fail(verb);
}

int main(void)
{
    char *words = getenv("do"), *rest;
    // Before anything else: what is measured is how long a kernel needs to get here.
    say("up");
    mount("none", "/dev", "devtmpfs", 0, NULL);
    mount("none", "/proc", "proc", 0, NULL);
    mount("none", "/sys", "sysfs", 0, NULL);
    if (words && strncmp(words, "hold", 4)) load_modules();
    for (char *word = words ? strtok_r(words, ",", &rest) : NULL; word; word = strtok_r(NULL, ",", &rest)) perform(word);
    end(RB_AUTOBOOT);
}
