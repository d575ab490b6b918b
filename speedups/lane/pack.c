/* Packs a plain exchange into the MessagePack array of `nilometer.profiling.observation`.
 *
 * The bytes are the same as those of `Packer.pack`: a test compares them.
 */
#include "msgpack.h"

enum { FIELDS = 18 };

static inline int is_ascii(PyObject *bytes) {
    const char *text = PyBytes_AS_STRING(bytes);
    Py_ssize_t size = PyBytes_GET_SIZE(bytes);
    unsigned char found = 0;
    for (Py_ssize_t i = 0; i < size; i++) found |= (unsigned char)text[i]; /* without a branch: in vectors */
    return !(found & 0x80);
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

/* ---- the observation */

/* The fields after the eighteenth, which only some observations have, see `Packer._more`. */
typedef struct {
    int has;                    /* whether any of them is written */
    PyObject *values, *labels;  /* borrowed dicts of plain values; NULL without `log` */
    Py_ssize_t values_size, labels_size;
} More;

/* Find what `log` added; 0 if only Python can pack it. */
static int more_of(Entry *entry, Exchange *exchange, More *more) {
    more->values = more->labels = NULL;
    more->values_size = 0;
    more->labels_size = map_head_size(0);
    more->has = !entry->keeps_bodies || exchange->annotations != Py_None;
    if (exchange->annotations == Py_None) return 1;
    if (exchange->annotations == NULL || !Py_IS_TYPE(exchange->annotations, annotations_type)) return 0;
    Annotations *annotations = (Annotations *)exchange->annotations;
    if (annotations->values == NULL || annotations->labels == NULL) return 0;
    if ((more->labels_size = plain_map_size(annotations->labels)) < 0) return 0;
    more->labels = annotations->labels;
    if (!PyDict_CheckExact(annotations->values)) return 0;
    if (PyDict_GET_SIZE(annotations->values) == 0) return 1;
    more->values_size = plain_map_size(annotations->values);
    more->values = annotations->values;
    return more->values_size >= 0 && more->values_size <= UINT32_MAX;
}

static Py_ssize_t more_size(const More *more, int values_only) {
    if (!more->has) return 0;
    return 2 + 4 + more->labels_size + binary_size(more->values_size) + 1 + (values_only ? 11 : 0);
}

static unsigned char *put_more(unsigned char *at, const More *more, int values_only) {
    if (!more->has) return at;
    at = put_bytes(at, "\xc4\0\xa0\xa0\xa0\xa0", 6); /* gaps, end, ids, parent */
    at = more->labels == NULL ? put_map_head(at, 0) : put_plain_map(at, more->labels);
    at = put_sized(at, (unsigned long long)more->values_size, 0xc4);
    if (more->values != NULL) at = put_plain_map(at, more->values);
    at = put_text(at, "", 0); /* no query */
    if (!values_only) return at;
    at = put_double(at, 1.0);             /* the share */
    return put_bytes(at, "\xc2\xc3", 2); /* not left out, values only */
}

static Py_ssize_t body_size(PyObject *body, int kept) { return kept ? binary_size(PyBytes_GET_SIZE(body)) : 1; }

static unsigned char *put_body(unsigned char *at, PyObject *body, int kept) {
    return kept ? put_binary(at, body) : put_bytes(at, "\xc0", 1);
}

static PyObject *packed_with(Serving *serving, PyObject *method, unsigned long status, double latency) {
    static const char OK[] = "ok";
    Entry *entry = serving->entry;
    Exchange *exchange = serving->exchange;
    PyObject *request = exchange->request, *response = exchange->response;
    if (request == NULL || response == NULL || !PyBytes_CheckExact(request) || !PyBytes_CheckExact(response)) return NULL;
    if (exchange->response_headers == NULL || latency < 0) return NULL;
    Described asked, answered;
    More more;
    Py_ssize_t method_size, path_size;
    const char *method_text = NULL, *path_text = NULL;
    if (!describe(serving->headers, entry->request_names, entry->request_lengths, 0, &asked) ||
        !describe(exchange->response_headers, entry->response_names, entry->response_lengths, 1, &answered) ||
        !more_of(entry, exchange, &more) || (method_text = PyUnicode_AsUTF8AndSize(method, &method_size)) == NULL ||
        (path_text = PyUnicode_AsUTF8AndSize(serving->path, &path_size)) == NULL) {
        PyErr_Clear();
        return NULL;
    }
    if (serving->in_flight < 0 || serving->arrival_ns < 0) return NULL;
    unsigned long long request_size = (unsigned long long)PyBytes_GET_SIZE(request);
    unsigned long long response_size = (unsigned long long)PyBytes_GET_SIZE(response);
    if (request_size > 0xffffffff || response_size > 0xffffffff) return NULL;
    int kept = entry->keeps_bodies, fields = !more.has ? FIELDS : entry->values_only ? FIELDS + 11 : FIELDS + 8;
    double first_byte = response_size ? latency : 0.0;

    Py_ssize_t size = 3 + uint_size((unsigned long long)serving->arrival_ns) + 9 + uint_size(status) +
                      text_size(sizeof OK - 1) + text_size(method_size) + text_size(path_size) + uint_size(request_size) +
                      uint_size(response_size) + text_size(PyBytes_GET_SIZE(asked.type)) +
                      text_size(PyBytes_GET_SIZE(asked.encoding)) + text_size(PyBytes_GET_SIZE(answered.type)) +
                      text_size(PyBytes_GET_SIZE(answered.encoding)) + body_size(request, kept) + body_size(response, kept) +
                      text_size(0) + uint_size((unsigned long long)serving->in_flight) + 9 + 1 +
                      more_size(&more, entry->values_only);
    PyObject *made = PyBytes_FromStringAndSize(NULL, size);
    if (made == NULL) {
        PyErr_Clear();
        return NULL;
    }
    unsigned char *at = (unsigned char *)PyBytes_AS_STRING(made);
    *at++ = 0xdc;
    at = put_big_endian(at, (unsigned long long)fields, 2);
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
    at = put_body(at, request, kept);
    at = put_body(at, response, kept);
    at = put_text(at, "", 0); /* no event time */
    at = put_uint(at, (unsigned long long)serving->in_flight);
    at = put_double(at, first_byte);
    at = put_uint(at, more.has ? first_byte > 0 : response_size > 0); /* chunks: as the two cases of `Packer.pack` */
    at = put_more(at, &more, entry->values_only);
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
