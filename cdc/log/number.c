/* cdc/log/number.c — shortest digits by trying: 15 digits (6 for float) identify every normal
 * number that has so few, else 16, else 17 (9). Denormal numbers have fewer significant digits and
 * are tried from 1 on.
 */
#include "cdc/log/number.h"

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

/* Whether the text lies nearer than half of the distance to the smaller neighbour (for powers of
 * two that is less than reading back the same asks for). */
static bool java_accepts(const char *text, long double v, long double below)
{
    long double off = strtold(text, NULL) - v, half = (v - below) / 2;
    return fabsl(off) <= fabsl(half);
}

/* The next number of as many digits, away from zero; false: there is none. */
static bool next_away(char *text)
{
    char *last = strchr(text, 'e') - 1;
    while (last >= text && (*last == '9' || *last == '.')) {
        *last = *last == '9' ? '0' : '.';
        last--;
    }
    if (last < text || *last == '-')
        return false;
    ++*last;
    return true;
}

static bool same_double(const char *text, double v, bool java)
{
    int exponent;
    if (strtod(text, NULL) != v)
        return false;
    bool power = java && fabs(frexp(v, &exponent)) == 0.5 && fabs(v) >= DBL_MIN;
    return !power || java_accepts(text, (long double)v, (long double)nextafter(v, 0));
}

static bool same_float(const char *text, float v, bool java)
{
    int exponent;
    if (strtof(text, NULL) != v)
        return false;
    bool power = java && fabsf(frexpf(v, &exponent)) == 0.5f && fabsf(v) >= FLT_MIN;
    long double below = v == FLT_MIN ? (long double)v - (long double)FLT_TRUE_MIN / 2
                                     : (long double)nextafterf(v, 0);
    return !power || java_accepts(text, (long double)v, below);
}

static void digits_double(double v, bool java, struct number_digits *out)
{
    char text[40];
    assert(isfinite(v));
    int precision = v != 0 && fabs(v) < DBL_MIN ? 1 + java : DBL_DIG;
    for (; precision <= 17; precision++) {
        /* Above a power of two the numbers that read back as it reach further than below, so that the
         * second nearest text may be one. */
        snprintf(text, sizeof text, "%.*e", precision - 1, v);
        if (same_double(text, v, java) || (!java && next_away(text) && strtod(text, NULL) == v))
            break;
    }
    take_apart(text, out);
}

static void digits_float(float v, bool java, struct number_digits *out)
{
    char text[40];
    assert(isfinite(v));
    int precision = v != 0 && fabsf(v) < FLT_MIN ? 1 + java : FLT_DIG;
    for (; precision <= 9; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, (double)v);
        if (same_float(text, v, java))
            break;
    }
    take_apart(text, out);
}

void number_digits_double(double v, struct number_digits *out)
{
    digits_double(v, false, out);
}

void number_digits_float(float v, struct number_digits *out)
{
    digits_float(v, false, out);
}

void number_digits_double_java(double v, struct number_digits *out)
{
    digits_double(v, true, out);
}

void number_digits_float_java(float v, struct number_digits *out)
{
    digits_float(v, true, out);
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
    bool has_fraction = d->n > d->point;
    if (d->point >= -14 && (d->point <= 15 || has_fraction)) {
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
