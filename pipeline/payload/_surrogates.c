/* Whether a text escapes half of a surrogate pair; compiled with the stages. See escapes_surrogate in surrogates.py.

   Nearly no text does, so blocks of it are looked at as a whole, without a branch, which compilers turn into vector
   instructions. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define BLOCK 256
#define LONGEST 4 /* bytes of what is looked for: \ud8 */

static inline char
begins_escape(const char *at)
{
    return (at[0] == '\\') & (at[1] == 'u') & ((at[2] | 0x20) == 'd');
}

/* Whether the fourth digit makes it half of a pair, \ud800 to \udfff. */
static int
is_surrogate(const char *at)
{
    return begins_escape(at) && ((at[3] >= '8' && at[3] <= '9') || ((at[3] | 0x20) >= 'a' && (at[3] | 0x20) <= 'f'));
}

static int
any_in(const char *text, Py_ssize_t count)
{
    for (Py_ssize_t at = 0; at < count; at++)
        if (is_surrogate(text + at))
            return 1;
    return 0;
}

static PyObject *
escapes_surrogate(PyObject *Py_UNUSED(module), PyObject *argument)
{
    if (!PyBytes_Check(argument)) {
        PyErr_SetString(PyExc_TypeError, "escapes_surrogate takes bytes");
        return NULL;
    }
    const char *text = PyBytes_AS_STRING(argument);
    Py_ssize_t places = PyBytes_GET_SIZE(argument) - LONGEST + 1, block = 0;
    for (; block + BLOCK <= places; block += BLOCK) {
        char some = 0;
        for (Py_ssize_t at = block; at < block + BLOCK; at++)
            some |= begins_escape(text + at);
        if (some && any_in(text + block, BLOCK))
            Py_RETURN_TRUE;
    }
    return PyBool_FromLong(any_in(text + block, places - block));
}

static PyMethodDef methods[] = {
    {"escapes_surrogate", escapes_surrogate, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_surrogates", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__surrogates(void)
{
    return PyModule_Create(&module);
}
