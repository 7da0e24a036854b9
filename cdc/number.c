/* cdc/number.c — shortest digits by trying: 15 digits (6 for float) identify every normal number
 * that has so few, else 16, else 17 (9). Denormal numbers have fewer significant digits and are
 * tried from 1 on.
 */
#include "cdc/number.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "d.ddde±xx" → digits and point. */
static void take_apart(const char *text, struct number_digits *out)
{
    const char *p = text;
    out->n = 0;
    out->negative = *p == '-';
    p += out->negative;
    for (; *p && *p != 'e'; p++) {
        if (*p != '.')
            out->digits[out->n++] = *p;
    }
    long exponent = *p == 'e' ? strtol(p + 1, NULL, 10) : 0;
    while (out->n > 1 && out->digits[out->n - 1] == '0')
        out->n--;
    out->digits[out->n] = 0;
    out->point = (int)exponent + 1;
}

void number_digits_double(double v, struct number_digits *out)
{
    char text[40];
    assert(isfinite(v));
    int precision = v != 0 && fabs(v) < DBL_MIN ? 1 : DBL_DIG;
    for (; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, v);
        if (strtod(text, NULL) == v)
            break;
    }
    if (precision == 17)
        snprintf(text, sizeof text, "%.16e", v);
    take_apart(text, out);
}

void number_digits_float(float v, struct number_digits *out)
{
    char text[40];
    assert(isfinite(v));
    int precision = v != 0 && fabsf(v) < FLT_MIN ? 1 : FLT_DIG;
    for (; precision < 9; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    if (precision == 9)
        snprintf(text, sizeof text, "%.8e", (double)v);
    take_apart(text, out);
}

static void put_zeros(struct buf *out, int n)
{
    for (int i = 0; i < n; i++)
        buf_put_u8(out, '0');
}

/* Without exponent; `fraction`: at least one digit behind the point. */
static void put_plain(const struct number_digits *d, bool fraction, struct buf *out)
{
    if (d->point <= 0) {
        buf_put_str(out, "0.");
        put_zeros(out, -d->point);
        buf_put(out, d->digits, (size_t)d->n);
    } else if (d->n <= d->point) {
        buf_put(out, d->digits, (size_t)d->n);
        put_zeros(out, d->point - d->n);
        if (fraction)
            buf_put_str(out, ".0");
    } else {
        buf_put(out, d->digits, (size_t)d->point);
        buf_put_u8(out, '.');
        buf_put(out, d->digits + d->point, (size_t)(d->n - d->point));
    }
}

void number_print(const struct number_digits *d, struct buf *out)
{
    if (d->negative)
        buf_put_u8(out, '-');
    if (d->point >= -14 && d->point <= 15) {
        put_plain(d, false, out);
        return;
    }
    buf_put(out, d->digits, 1);
    if (d->n > 1) {
        buf_put_u8(out, '.');
        buf_put(out, d->digits + 1, (size_t)d->n - 1);
    }
    buf_printf(out, "e%d", d->point - 1);
}

void number_print_java(const struct number_digits *d, struct buf *out)
{
    if (d->negative)
        buf_put_u8(out, '-');
    bool zero = d->digits[0] == '0';
    if (zero || (d->point > -3 && d->point <= 7)) {
        put_plain(d, true, out);
        return;
    }
    buf_put(out, d->digits, 1);
    buf_put_u8(out, '.');
    if (d->n > 1)
        buf_put(out, d->digits + 1, (size_t)d->n - 1);
    else
        buf_put_u8(out, '0');
    buf_printf(out, "E%d", d->point - 1);
}
