/* The stretches of a text in which a number that may be personal stands; compiled with the stages.

   See number_runs in _number_runs.pyi. What one of NUMBERS in candidates.py matches has to lie inside what is kept here,
   unless it has fewer digits than every exact check behind it asks for.

   Every byte gets its marks without a branch, so that compilers turn the loops into vector instructions; the few bytes
   with a mark are then looked at one by one. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "_wide.h"

#define BEFORE 4 /* what expressions read before a first digit: %2b and a parenthesis, or an escape such as \n */
#define FEWEST_DIGITS 9 /* of anything but IPv4 addresses, and telephone numbers with a plus sign */
#define FEWEST_ABROAD 8
#define FEWEST_SEPARATORS 5 /* of an IPv6 address written in full, or a MAC address */
#define SHORTEST_DOTTED_MAC 14
#define LONGEST_IBAN_HEAD 16
#define LONGEST_CODED 18 /* of what the expression for colons as %3a matches, from its first %3a on */
#define MARGIN 32 /* zeros around the copy of the text, so that looking a few bytes further needs no check */

typedef uint8_t Byte;

typedef struct {
    Py_ssize_t start, stop;
} Run;

typedef struct {
    Run *runs;
    Py_ssize_t count, room;
} Runs;

typedef struct {
    Py_ssize_t run, addresses[3]; /* where the last run of digits looked at ends, and the last address of each separator */
} Ends;

static inline Byte is_digit(Byte byte) { return (Byte)(byte - '0') < 10; }
static inline Byte is_letter(Byte byte) { return (Byte)((byte | 0x20) - 'a') < 26; }
static inline Byte is_hex(Byte byte) { return is_digit(byte) | ((Byte)((byte | 0x20) - 'a') < 6); }
static inline Byte is_either(Byte byte) { return is_digit(byte) | is_letter(byte); }

/* Digits and what may stand between them: () + - . / blanks, %20, and the two bytes of a non-breaking blank. */
static inline Byte
is_numeric(Byte byte)
{
    return ((Byte)(byte - '(') < 18 && byte != '*' && byte != ',') | (byte == ' ') | (byte == '%') | (byte == 0xC2) |
           (byte == 0xA0);
}

WIDE static void
mark_numeric(const Byte *text, Byte *numeric, Py_ssize_t length)
{
    for (Py_ssize_t at = 0; at < length; at++)
        numeric[at] = is_numeric(text[at]);
}

/* Mark with 1 where seven numeric bytes begin with a digit, and with 2 where an IBAN, an IPv6 or a MAC address may be. */
WIDE static void
mark(const Byte *text, const Byte *numeric, Byte *marks, Py_ssize_t length)
{
    for (Py_ssize_t at = 0; at < length; at++) {
        const Byte *here = text + at;
        Byte colon = (here[0] == ':') & ((here[-1] == ':') | ((here[-1] >= '0') & (here[1] >= '0')));
        Byte dash = (here[0] == '-') & (here[3] == '-') & (here[6] == '-');
        Byte dot = (here[0] == '.') & (here[5] == '.');
        Byte coded = (here[0] == '%') & (here[1] == '3');
        Byte iban = is_letter(here[-2]) & is_letter(here[-1]) & is_digit(here[0]) & is_digit(here[1]);
        const Byte *next = numeric + at;
        Byte run = is_digit(here[0]) & !is_digit(here[-1]) & next[1] & next[2] & next[3] & next[4] & next[5] & next[6];
        marks[at] = run | (Byte)((colon | dash | dot | coded | iban) << 1);
    }
}

static int
keep(Runs *kept, Py_ssize_t start, Py_ssize_t stop)
{
    start = start > BEFORE ? start - BEFORE : 0;
    while (kept->count && start <= kept->runs[kept->count - 1].stop) {
        Run *last = &kept->runs[--kept->count];
        if (last->start < start)
            start = last->start;
        if (last->stop > stop)
            stop = last->stop;
    }
    if (kept->count == kept->room) {
        Py_ssize_t room = kept->room ? 2 * kept->room : 64;
        Run *grown = PyMem_Realloc(kept->runs, room * sizeof(Run));
        if (grown == NULL)
            return -1;
        kept->runs = grown;
        kept->room = room;
    }
    kept->runs[kept->count].start = start;
    kept->runs[kept->count++].stop = stop;
    return 0;
}

static int
all_of(const Byte *from, int count, Byte (*wanted)(Byte))
{
    for (int index = 0; index < count; index++)
        if (!wanted(from[index]))
            return 0;
    return 1;
}

/* Whether an IBAN may begin with the two letters before these digits. */
static int
begins_iban(const Byte *digits)
{
    if (!is_letter(digits[-2]) || !is_letter(digits[-1]) || !is_digit(digits[0]) || !is_digit(digits[1]))
        return 0;
    if (digits[2] == ' ')
        return digits[7] == ' ' && all_of(digits + 3, 4, is_either) && all_of(digits + 8, 4, is_either);
    if (digits[2] == '-')
        return digits[7] == '-' && all_of(digits + 3, 4, is_either) && all_of(digits + 8, 4, is_digit);
    if (!all_of(digits + 2, 4, is_either))
        return 0;
    Byte first = digits[-2] | 0x20, second = digits[-1] | 0x20;
    int is_named = (first == 'k' && second == 'z') || (first == 'r' && second == 'o');
    return all_of(digits + 6, 7, is_digit) || (is_named && all_of(digits + 6, 8, is_either));
}

static inline int
in_address(Byte byte, Byte separator)
{
    return is_hex(byte) | (byte == separator);
}

/* Keep the address that a mark stands in, of hexadecimal digits and a separator, if it may be one; set where it ends. */
static int
keep_address(const Byte *text, Py_ssize_t at, Py_ssize_t *end, Runs *kept)
{
    Byte separator = text[at];
    Py_ssize_t start = at, stop, separators = 0;
    int has_double_colon = 0;
    while (in_address(text[start - 1], separator))
        start--;
    for (stop = start; in_address(text[stop], separator); stop++) {
        separators += text[stop] == separator;
        has_double_colon |= text[stop] == ':' && text[stop + 1] == ':';
    }
    *end = stop;
    int is_one = separator == '.' ? stop - start >= SHORTEST_DOTTED_MAC : separators >= FEWEST_SEPARATORS;
    return is_one || has_double_colon ? keep(kept, start, stop) : 0;
}

/* Whether the numeric bytes from `end` on may be a number; moves `end` behind them. */
static int
is_worth_a_look(const Byte *text, const Byte *numeric, Py_ssize_t *end)
{
    Py_ssize_t digits = 0, dots = 0, at = *end;
    int has_plus = text[at - 1] == '+' || text[at - 2] == '+' || (text[at - 1] | 0x20) == 'b';
    for (; numeric[at]; at++) {
        digits += is_digit(text[at]);
        dots += text[at] == '.';
        has_plus |= text[at] == '+';
    }
    *end = at;
    return digits >= FEWEST_DIGITS || (has_plus && digits >= FEWEST_ABROAD) || (dots >= 3 && digits >= 4);
}

/* Keep what stands at a marked byte, if it may be a number that was not looked at before. */
static int
look_at(const Byte *text, const Byte *numeric, Py_ssize_t length, Py_ssize_t at, Byte mark, Ends *ends, Runs *kept)
{
    if (mark & 1 && at >= ends->run) {
        ends->run = at;
        if (is_worth_a_look(text, numeric, &ends->run) && keep(kept, at, ends->run))
            return -1;
    }
    if (!(mark & 2))
        return 0;
    if (text[at] == '%') {
        if ((text[at + 2] | 0x20) != 'a')
            return 0;
        return keep(kept, at - 4, at + LONGEST_CODED < length ? at + LONGEST_CODED : length);
    }
    if (is_digit(text[at])) {
        Py_ssize_t stop = at + LONGEST_IBAN_HEAD;
        return begins_iban(text + at) ? keep(kept, at - 2, stop < length ? stop : length) : 0;
    }
    Py_ssize_t *end = &ends->addresses[text[at] == ':' ? 0 : text[at] == '-' ? 1 : 2];
    return at >= *end ? keep_address(text, at, end, kept) : 0;
}

static inline uint64_t
eight(const Byte *from)
{
    uint64_t bytes;
    memcpy(&bytes, from, 8);
    return bytes;
}

static int
find_runs(const Byte *text, const Byte *numeric, const Byte *marks, Py_ssize_t length, Runs *kept)
{
    Ends ends = {0};
    for (Py_ssize_t block = 0; block < length; block += 32) {
        const Byte *here = marks + block;
        if ((eight(here) | eight(here + 8) | eight(here + 16) | eight(here + 24)) == 0)
            continue;
        for (Py_ssize_t part = block; part < block + 32; part += 8) {
            if (eight(marks + part) == 0)
                continue;
            Byte marked[8]; /* gathered without a branch, of which no processor would guess the way */
            int count = 0;
            for (int index = 0; index < 8; index++) {
                marked[count] = (Byte)index;
                count += marks[part + index] != 0;
            }
            for (int index = 0; index < count; index++) {
                Py_ssize_t at = part + marked[index];
                if (look_at(text, numeric, length, at, marks[at], &ends, kept))
                    return -1;
            }
        }
    }
    return 0;
}

static PyObject *
joined(const Byte *text, const Runs *kept)
{
    Py_ssize_t total = 0;
    for (Py_ssize_t index = 0; index < kept->count; index++)
        total += kept->runs[index].stop - kept->runs[index].start + 1;
    PyObject *all = PyBytes_FromStringAndSize(NULL, total);
    PyObject *begins = PyList_New(kept->count), *shifts = PyList_New(kept->count);
    if (all == NULL || begins == NULL || shifts == NULL)
        goto failed;
    char *to = PyBytes_AS_STRING(all);
    Py_ssize_t done = 0;
    for (Py_ssize_t index = 0; index < kept->count; index++) {
        Py_ssize_t start = kept->runs[index].start, size = kept->runs[index].stop - start;
        PyObject *begin = PyLong_FromSsize_t(done), *shift = PyLong_FromSsize_t(start - done);
        if (begin == NULL || shift == NULL) {
            Py_XDECREF(begin);
            Py_XDECREF(shift);
            goto failed;
        }
        PyList_SET_ITEM(begins, index, begin);
        PyList_SET_ITEM(shifts, index, shift);
        memcpy(to + done, text + start, size);
        done += size;
        to[done++] = 0;
    }
    return Py_BuildValue("(NNN)", all, begins, shifts);
failed:
    Py_XDECREF(all);
    Py_XDECREF(begins);
    Py_XDECREF(shifts);
    return NULL;
}

static PyObject *
number_runs(PyObject *Py_UNUSED(module), PyObject *argument)
{
    if (!PyBytes_Check(argument)) {
        PyErr_SetString(PyExc_TypeError, "number_runs takes bytes");
        return NULL;
    }
    Py_ssize_t length = PyBytes_GET_SIZE(argument), size = length + 2 * MARGIN;
    Byte *copies = PyMem_Malloc(3 * size);
    if (copies == NULL)
        return PyErr_NoMemory();
    Byte *text = copies + MARGIN, *numeric = text + size, *marks = numeric + size;
    memset(copies, 0, MARGIN);
    memcpy(text, PyBytes_AS_STRING(argument), length);
    memset(text + length, 0, MARGIN);
    mark_numeric(text, numeric, length);
    memset(numeric + length, 0, MARGIN);
    mark(text, numeric, marks, length);
    memset(marks + length, 0, MARGIN);
    Runs kept = {0};
    PyObject *result = find_runs(text, numeric, marks, length, &kept) ? PyErr_NoMemory() : joined(text, &kept);
    PyMem_Free(kept.runs);
    PyMem_Free(copies);
    return result;
}

static PyMethodDef methods[] = {
    {"number_runs", number_runs, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_number_runs", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__number_runs(void)
{
    return PyModule_Create(&module);
}
