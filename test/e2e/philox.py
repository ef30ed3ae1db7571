"""Random numbers and the order of records, as docs/runtime.md defines them."""

import numpy

MASK32, MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
DATA_STEP = 0xFFFFFFFE


def block(seed, index, instance, step):
    """Philox4x32-10: the four words of elements 4 * index to 4 * index + 3."""
    counter = [index & MASK32, index >> 32, instance, step]
    keys = [seed & MASK32, seed >> 32]
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (second >> 32) ^ counter[1] ^ keys[0],
            second & MASK32,
            (first >> 32) ^ counter[3] ^ keys[1],
            first & MASK32,
        ]
        keys = [(keys[0] + 0x9E3779B9) & MASK32, (keys[1] + 0xBB67AE85) & MASK32]
    return counter


def uniform(shape, seed, number, step):
    """The numbers of the model's place `number` that draws (one in the entry function), of the global batch."""
    count = int(numpy.prod(shape))
    words = [block(seed, i // 4, number << 16, step)[i % 4] for i in range(count)]
    return (numpy.array(words) >> 8).reshape(shape) / 2.0**24


def fnv1a(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & MASK32
    return value


def order(size, seed, epoch):
    """The record at each of the positions of an epoch: a Feistel network, walked until it lands inside."""
    half = 1
    while half < 32 and 1 << 2 * half < size:
        half += 1
    word = block(seed, epoch, fnv1a("data order"), DATA_STEP)
    keys = [word[0] | word[1] << 32, word[2] | word[3] << 32]
    mask = (1 << half) - 1

    def permute(index):
        left, right = index >> half, index & mask
        for turn in range(8):
            mixed = right ^ ((keys[turn & 1] + turn * 0x9E3779B97F4A7C15) & MASK64)
            mixed = ((mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD) & MASK64
            mixed = ((mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53) & MASK64
            left, right = right, left ^ ((mixed ^ (mixed >> 33)) & mask)
        return left << half | right

    result = []
    for position in range(size):
        at = permute(position)
        while at >= size:
            at = permute(at)
        result.append(at)
    return result
