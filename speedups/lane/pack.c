/* Packs a plain exchange into the MessagePack array of `nilometer.profiling.observation`.
 *
 * The bytes are the same as those of `Packer.pack`: a test compares them.
 */
#include "lane.h"

enum { FIELDS = 18 };

static inline int is_ascii(PyObject *bytes) {
    const char *text = PyBytes_AS_STRING(bytes);
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    unsigned char found = 0;
    for (Py_ssize_t i = 0; i < size; i++) found |= (unsigned char)text[i]; /* without a branch: in vectors */
    return !(found & 0x80);
}

/* ---- MessagePack: each value has a function for its size, and one that writes it */

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

/* ---- headers */

typedef struct {
    PyObject *type, *encoding; /* borrowed bytes */
} Described;

static int is_one_of(PyObject *names, const char *name, Py_ssize_t size) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *one = PyTuple_GET_ITEM(names, i);
        if (PyBytes_GET_SIZE(one) == size && memcmp(PyBytes_AS_STRING(one), name, (size_t)size) == 0) return 1;
    }
    return 0;
}

/* Find content type and encoding in a list or tuple of pairs of bytes.
 *
 * Return 0 if only Python can pack these headers: unusual types, a name that a setting asks for, or no
 * content type although there are headers and *strict*, because some applications send names in capitals.
 */
static int describe(PyObject *headers, PyObject *names, unsigned long long lengths, int strict, Described *found) {
    static const char TYPE[] = "content-type", ENCODING[] = "content-encoding";
    found->type = found->encoding = empty_bytes;
    Py_ssize_t count;
    PyObject **at;
    if (PyList_CheckExact(headers)) {
        count = PyList_GET_SIZE(headers);
        at = ((PyListObject *)headers)->ob_item;
    } else if (PyTuple_CheckExact(headers)) {
        count = PyTuple_GET_SIZE(headers);
        at = ((PyTupleObject *)headers)->ob_item;
    } else {
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = at[i], *name, *value;
        if (PyTuple_CheckExact(pair) && PyTuple_GET_SIZE(pair) == 2) {
            name = PyTuple_GET_ITEM(pair, 0);
            value = PyTuple_GET_ITEM(pair, 1);
        } else if (PyList_CheckExact(pair) && PyList_GET_SIZE(pair) == 2) {
            name = PyList_GET_ITEM(pair, 0);
            value = PyList_GET_ITEM(pair, 1);
        } else {
            return 0;
        }
        if (!PyBytes_CheckExact(name) || !PyBytes_CheckExact(value)) return 0;
        Py_ssize_t size = PyBytes_GET_SIZE(name);
        if (size >= 64 || !(lengths >> size & 1)) continue;
        const char *text = PyBytes_AS_STRING(name);
        if (size == sizeof TYPE - 1 && memcmp(text, TYPE, sizeof TYPE - 1) == 0) {
            found->type = value;
        } else if (size == sizeof ENCODING - 1 && memcmp(text, ENCODING, sizeof ENCODING - 1) == 0) {
            found->encoding = value;
        } else if (is_one_of(names, text, size)) {
            return 0;
        }
    }
    if (strict && count > 0 && PyBytes_GET_SIZE(found->type) == 0) return 0;
    return is_ascii(found->type) && is_ascii(found->encoding);
}

static PyObject *packed_with(Serving *serving, PyObject *method, unsigned long status, double latency) {
    static const char OK[] = "ok";
    Entry *entry = serving->entry;
    Exchange *exchange = serving->exchange;
    PyObject *request = exchange->request, *response = exchange->response;
    if (request == NULL || response == NULL || !PyBytes_CheckExact(request) || !PyBytes_CheckExact(response)) return NULL;
    if (exchange->response_headers == NULL || latency < 0) return NULL;
    Described asked, answered;
    Py_ssize_t method_size, path_size;
    const char *method_text = NULL, *path_text = NULL;
    if (!describe(serving->headers, entry->request_names, entry->request_lengths, 0, &asked) ||
        !describe(exchange->response_headers, entry->response_names, entry->response_lengths, 1, &answered) ||
        (method_text = PyUnicode_AsUTF8AndSize(method, &method_size)) == NULL ||
        (path_text = PyUnicode_AsUTF8AndSize(serving->path, &path_size)) == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (serving->in_flight < 0 || serving->arrival_ns < 0) return NULL;
    unsigned long long request_size = (unsigned long long)PyBytes_GET_SIZE(request);
    unsigned long long response_size = (unsigned long long)PyBytes_GET_SIZE(response);
    if (request_size > 0xffffffff || response_size > 0xffffffff) return NULL;

    Py_ssize_t size = 3 + uint_size((unsigned long long)serving->arrival_ns) + 9 + uint_size(status) +
                      text_size(sizeof OK - 1) + text_size(method_size) + text_size(path_size) + uint_size(request_size) +
                      uint_size(response_size) + text_size(PyBytes_GET_SIZE(asked.type)) +
                      text_size(PyBytes_GET_SIZE(asked.encoding)) + text_size(PyBytes_GET_SIZE(answered.type)) +
                      text_size(PyBytes_GET_SIZE(answered.encoding)) + binary_size((Py_ssize_t)request_size) +
                      binary_size((Py_ssize_t)response_size) + text_size(0) +
                      uint_size((unsigned long long)serving->in_flight) + 9 + 1;
    PyObject *made = PyBytes_FromStringAndSize(NULL, size);
    if (made == NULL) {
        PyErr_Clear();
        return NULL;
    }
    unsigned char *at = (unsigned char *)PyBytes_AS_STRING(made);
    *at++ = 0xdc;
    at = put_big_endian(at, FIELDS, 2);
    at = put_uint(at, (unsigned long long)serving->arrival_ns);
    at = put_double(at, latency);
    at = put_uint(at, status);
    at = put_text(at, OK, sizeof OK - 1);
    at = put_text(at, method_text, method_size);
    at = put_text(at, path_text, path_size);
    at = put_uint(at, request_size);
    at = put_uint(at, response_size);
    at = put_text_of(at, asked.type);
    at = put_text_of(at, asked.encoding);
    at = put_text_of(at, answered.type);
    at = put_text_of(at, answered.encoding);
    at = put_binary(at, request);
    at = put_binary(at, response);
    at = put_text(at, "", 0); /* no event time */
    at = put_uint(at, (unsigned long long)serving->in_flight);
    at = put_double(at, response_size ? latency : 0.0); /* the first byte */
    at = put_uint(at, response_size ? 1 : 0);           /* the number of chunks */
    assert((char *)at == PyBytes_AS_STRING(made) + size);
    return made;
}

PyObject *packed(Serving *serving, unsigned long status, double latency) {
    /* A look-up may run the code of a key, so it comes first. Nothing after it runs the code of others. */
    PyObject *method = Py_XNewRef(PyDict_GetItemWithError(serving->scope, name_method));
    if (method == NULL) PyErr_Clear();
    PyObject *made = method != NULL && PyUnicode_CheckExact(method) ? packed_with(serving, method, status, latency) : NULL;
    Py_XDECREF(method);
    return made;
}
