/* Writes MessagePack as msgspec does, into memory whose size was computed before.
 *
 * Each value has a function for its size, and one that writes it. Both must see the same value, so no code of others
 * may run between them.
 */
#ifndef NILOMETER_MSGPACK_H
#define NILOMETER_MSGPACK_H

#include "lane.h"

static inline Py_ssize_t uint_size(unsigned long long value) {
    return value < 0x80 ? 1 : value <= 0xff ? 2 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

static inline Py_ssize_t text_size(Py_ssize_t size) {
    return size + (size < 32 ? 1 : size <= 0xff ? 2 : size <= 0xffff ? 3 : 5);
}

static inline Py_ssize_t binary_size(Py_ssize_t size) {
    return size + (size <= 0xff ? 2 : size <= 0xffff ? 3 : 5);
}

static inline unsigned char *put_big_endian(unsigned char *at, unsigned long long value, int bytes) {
    while (bytes--) *at++ = (unsigned char)(value >> (8 * bytes));
    return at;
}

static inline unsigned char *put_sized(unsigned char *at, unsigned long long value, unsigned char first) {
    /* *first* is the marker of the form with one byte; those with two and four bytes follow it */
    if (value <= 0xff) {
        *at++ = first;
        return put_big_endian(at, value, 1);
    }
    if (value <= 0xffff) {
        *at++ = first + 1;
        return put_big_endian(at, value, 2);
    }
    *at++ = first + 2;
    return put_big_endian(at, value, 4);
}

static inline unsigned char *put_uint(unsigned char *at, unsigned long long value) {
    if (value < 0x80) {
        *at++ = (unsigned char)value;
        return at;
    }
    if (value <= 0xffffffff) return put_sized(at, value, 0xcc);
    *at++ = 0xcf;
    return put_big_endian(at, value, 8);
}

static inline unsigned char *put_text(unsigned char *at, const char *text, Py_ssize_t size) {
    if (size < 32) {
        *at++ = (unsigned char)(0xa0 | size);
    } else {
        at = put_sized(at, (unsigned long long)size, 0xd9);
    }
    memcpy(at, text, (size_t)size);
    return at + size;
}

static inline unsigned char *put_text_of(unsigned char *at, PyObject *bytes) {
    return put_text(at, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

static inline unsigned char *put_binary(unsigned char *at, PyObject *bytes) {
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    at = put_sized(at, (unsigned long long)size, 0xc4);
    memcpy(at, PyBytes_AS_STRING(bytes), (size_t)size);
    return at + size;
}

static inline unsigned char *put_double(unsigned char *at, double value) {
    unsigned long long bits;
    memcpy(&bits, &value, sizeof bits);
    *at++ = 0xcb;
    return put_big_endian(at, bits, 8);
}

static inline unsigned char *put_bytes(unsigned char *at, const void *from, Py_ssize_t size) {
    memcpy(at, from, (size_t)size);
    return at + size;
}

/* ---- plain values: None, bool, int of 64 bits, float and str, exactly; see plain.c */

/* Return the size of a map of texts to plain values; -1 without an error if it holds anything else. */
Py_ssize_t plain_map_size(PyObject *map);
unsigned char *put_plain_map(unsigned char *at, PyObject *map);
Py_ssize_t plain_size(PyObject *value); /* of one value; -1 without an error if it is not plain */
unsigned char *put_plain(unsigned char *at, PyObject *value);
Py_ssize_t map_head_size(Py_ssize_t count);
unsigned char *put_map_head(unsigned char *at, Py_ssize_t count);

#endif
