#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING_MIN_SIZE 4096u
#define RING_MASK(ring) ((ring)->size - 1)

/* A ring buffer whose size is a power of two; head and tail only ever grow. */
struct ring {
    uint8_t *data;
    size_t size;
    size_t head;
    size_t tail;
};

static size_t round_up(size_t wanted)
{
    size_t size = RING_MIN_SIZE;

    while (size < wanted && size <= SIZE_MAX / 2)
        size <<= 1;
    return size;
}

int ring_init(struct ring *ring, size_t wanted)
{
    memset(ring, 0, sizeof(*ring));
    ring->size = round_up(wanted);
    ring->data = malloc(ring->size);
    return ring->data ? 0 : -ENOMEM;
}

static inline size_t ring_used(const struct ring *ring)
{
    return ring->tail - ring->head;
}

size_t ring_write(struct ring *ring, const void *from, size_t count)
{
    size_t room = ring->size - ring_used(ring);
    size_t at = ring->tail & RING_MASK(ring);
    size_t first;

    if (count > room)
        count = room;
    first = ring->size - at;
    if (first > count)
        first = count;
    memcpy(ring->data + at, from, first);
    memcpy(ring->data, (const uint8_t *)from + first, count - first);
    ring->tail += count;
    return count;
}

/* Returns the number of bytes read, 0 at the end of the file, or -errno. */
ssize_t ring_fill(struct ring *ring, int fd)
{
    uint8_t chunk[RING_MIN_SIZE];
    ssize_t got;

    do {
        got = read(fd, chunk, sizeof(chunk));
    } while (got == -1 && errno == EINTR);
    if (got <= 0)
        return got == 0 ? 0 : -errno;
    if (ring_write(ring, chunk, (size_t)got) != (size_t)got)
        return -ENOBUFS;
    return got;
}

void ring_free(struct ring *ring)
{
    free(ring->data);
    ring->data = NULL;
}
