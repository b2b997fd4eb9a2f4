/* The members of a JSON object, and where their values are; compiled with the stages. See members_of in outline.py.

   Objects and arrays are passed over 64 bytes at once, with one bit for each byte: from the quotes follows what is in
   strings, and outside of strings brackets are counted. The way is that of Langdale and Lemire, "Parsing Gigabytes of
   JSON per Second", The VLDB Journal 28 (2019), section 3.1. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "_wide.h"

#define AT_ONCE 64
#define UPPER 0x20 /* the bit that tells { from [ and } from ] */

typedef uint8_t Byte;
typedef uint64_t Bits; /* of bytes, the first one's is the lowest */

/* The text of which a part is looked at, up to `stop`. */
typedef struct {
    const Byte *bytes;
    Py_ssize_t stop;
} Text;

/* Which bytes are the wanted one, once `also` is set in them. */
static inline Bits
where(const Byte *bytes, Byte also, Byte wanted)
{
    Bits found = 0;
#ifdef __SSE2__
    for (int part = 0; part < AT_ONCE; part += 16) {
        __m128i some = _mm_loadu_si128((const __m128i *)(bytes + part));
        __m128i same = _mm_cmpeq_epi8(_mm_or_si128(some, _mm_set1_epi8((char)also)), _mm_set1_epi8((char)wanted));
        found |= (Bits)_mm_movemask_epi8(same) << part;
    }
#else
    for (int index = 0; index < AT_ONCE; index++)
        found |= (Bits)((bytes[index] | also) == wanted) << index;
#endif
    return found;
}

static inline int
count(Bits bits)
{
    bits -= bits >> 1 & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + (bits >> 2 & 0x3333333333333333);
    return (int)(((bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0F) * 0x0101010101010101 >> 56);
}

/* Which bytes a backslash stands before; `first` says it of the first one, and then of the first one after these. */
static inline Bits
escaped_by(Bits backslashes, Bits *first)
{
    Bits escaped = *first;
    *first = 0;
    for (Bits left = backslashes & ~escaped; left;) {
        Bits backslash = left & (0 - left);
        *first = backslash >> 63;
        escaped |= backslash << 1;
        left &= ~(backslash | backslash << 1);
    }
    return escaped;
}

/* From each odd one of the bits up to the next. */
static inline Bits
between(Bits bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* Return the offset after the object or array that begins at `at`, or -1 if it has no end. */
WIDE static Py_ssize_t
after_brackets(const Text *text, Py_ssize_t at)
{
    Bits escaped = 0, in_string = 0;
    Py_ssize_t depth = 0;
    for (; at < text->stop; at += AT_ONCE) {
        Byte last[AT_ONCE];
        const Byte *here = text->bytes + at;
        if (text->stop - at < AT_ONCE) {
            memset(last, 0, AT_ONCE);
            here = memcpy(last, here, text->stop - at);
        }
        Bits quotes = where(here, 0, '"') & ~escaped_by(where(here, 0, '\\'), &escaped);
        Bits strings = between(quotes) ^ in_string;
        in_string = 0 - (strings >> 63);
        Bits opening = where(here, UPPER, '{') & ~strings, closing = where(here, UPPER, '}') & ~strings;
        if (count(closing) < depth) {
            depth += count(opening) - count(closing);
            continue;
        }
        for (Bits left = opening | closing; left; left &= left - 1) {
            Bits bracket = left & (0 - left);
            depth += opening & bracket ? 1 : -1;
            if (depth == 0)
                return at + count(bracket - 1) + 1;
        }
    }
    return -1;
}

/* Return the offset of the quote that closes the string whose content begins at `start`, or -1 if none does. */
static Py_ssize_t
closing_quote(const Text *text, Py_ssize_t start)
{
    const Byte *first = text->bytes + start, *end = text->bytes + text->stop;
    for (const Byte *from = first; (from = memchr(from, '"', end - from)) != NULL; from++) {
        const Byte *slashes = from;
        while (slashes > first && slashes[-1] == '\\')
            slashes--;
        if ((from - slashes) % 2 == 0)
            return from - text->bytes;
    }
    return -1;
}

static inline int
is_space(Byte byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static Py_ssize_t
after_space(const Text *text, Py_ssize_t at)
{
    while (at < text->stop && is_space(text->bytes[at]))
        at++;
    return at;
}

/* Return the offset after the value that begins at `at`, or -1 if it has no end. */
static Py_ssize_t
after_value(const Text *text, Py_ssize_t at)
{
    Byte first = text->bytes[at];
    if (first == '"') {
        Py_ssize_t quote = closing_quote(text, at + 1);
        return quote < 0 ? -1 : quote + 1;
    }
    if (first == '{' || first == '[')
        return after_brackets(text, at);
    while (at < text->stop && text->bytes[at] != ',' && text->bytes[at] != '}' && !is_space(text->bytes[at]))
        at++;
    return at;
}

static int
append(PyObject *list, PyObject *item)
{
    int failed = item == NULL || PyList_Append(list, item);
    Py_XDECREF(item);
    return failed;
}

/* List the members of the object that begins at `at`; -1 with an error set if that is not possible. */
static int
list_members(const Text *text, Py_ssize_t at, PyObject *names, PyObject *starts, PyObject *stops)
{
    const Byte *bytes = text->bytes;
    at = after_space(text, at + 1);
    while (at < text->stop && bytes[at] == '"') {
        Py_ssize_t key = at + 1, quote = closing_quote(text, key);
        if (quote < 0)
            break;
        at = after_space(text, quote + 1);
        if (at == text->stop || bytes[at] != ':')
            break;
        Py_ssize_t value = after_space(text, at + 1);
        if (value == text->stop)
            break;
        Py_ssize_t after = after_value(text, value);
        if (after < 0)
            break;
        if (append(names, PyUnicode_DecodeUTF8((const char *)bytes + key, quote - key, "replace")) ||
            append(starts, PyLong_FromSsize_t(value)) || append(stops, PyLong_FromSsize_t(after)))
            return -1;
        at = after_space(text, after);
        if (at == text->stop || bytes[at] != ',')
            break;
        at = after_space(text, at + 1);
    }
    if (at < text->stop && bytes[at] == '}')
        return 0;
    PyErr_SetString(PyExc_ValueError, "not a JSON object");
    return -1;
}

static PyObject *
members_of(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    PyObject *text;
    Py_ssize_t start, stop;
    if (!PyArg_ParseTuple(arguments, "Snn", &text, &start, &stop))
        return NULL;
    if (start < 0 || stop < start || stop > PyBytes_GET_SIZE(text)) {
        PyErr_SetString(PyExc_ValueError, "the bounds are not in the text");
        return NULL;
    }
    PyObject *names = PyList_New(0), *starts = PyList_New(0), *stops = PyList_New(0);
    Text part = {(const Byte *)PyBytes_AS_STRING(text), stop};
    if (names != NULL && starts != NULL && stops != NULL) {
        Py_ssize_t at = after_space(&part, start);
        if (at == stop || part.bytes[at] != '{' || list_members(&part, at, names, starts, stops) == 0)
            return Py_BuildValue("(NNN)", names, starts, stops);
    }
    Py_XDECREF(names);
    Py_XDECREF(starts);
    Py_XDECREF(stops);
    return NULL;
}

static PyMethodDef methods[] = {
    {"members_of", members_of, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_outline", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__outline(void)
{
    return PyModule_Create(&module);
}
