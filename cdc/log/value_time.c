/* cdc/log/value_time.c — dates and times: out of the row format, and as text.
 *
 * Kept as stored: zero and partial dates, hours up to 838. The 5.6 types are big-endian with an
 * offset that makes them sortable; the older ones are little-endian decimals.
 */
#include "base/clock.h"
#include "cdc/log/value.h"
#include "cdc/log/wire.h"

#include <assert.h>
#include <stdlib.h>

/* (fsp+1)/2 bytes in units of 10^-2, 10^-4 or 10^-6 seconds → µs. */
static uint32_t fraction_micros(uint64_t units, unsigned n_bytes)
{
    static const uint32_t scale[4] = {0, 10000, 100, 1};
    return (uint32_t)units * scale[n_bytes];
}

static void read_date(const uint8_t *p, struct cdc_datetime *out)
{
    uint32_t v = wire_u24(p);
    out->day = v & 31;
    out->month = v >> 5 & 15;
    out->year = v >> 9;
}

static bool read_datetime2(const uint8_t *p, size_t n, struct cdc_datetime *out)
{
    uint64_t raw = wire_be(p, 5);
    if (raw < 0x8000000000u)
        return false; /* the server has no negative datetimes */
    uint64_t v = raw - 0x8000000000u;
    uint32_t ym = (uint32_t)(v >> 22);
    out->year = ym / 13;
    out->month = ym % 13;
    out->day = (uint32_t)(v >> 17) & 31;
    out->hour = (uint32_t)(v >> 12) & 31;
    out->minute = (uint32_t)(v >> 6) & 63;
    out->second = (uint32_t)v & 63;
    if (n > 5)
        out->micro = fraction_micros(wire_be(p + 5, n - 5), (unsigned)(n - 5));
    return true;
}

/* The whole value is one big-endian number with the sign as offset, in units of the fraction. */
static bool read_time2(const uint8_t *p, size_t n, struct cdc_datetime *out)
{
    unsigned n_fraction = (unsigned)(n - 3);
    int64_t offset = (int64_t)0x800000 << 8 * n_fraction;
    int64_t v = (int64_t)wire_be(p, n) - offset;
    out->negative = v < 0;
    uint64_t u = (uint64_t)(v < 0 ? -v : v);
    uint64_t whole = u >> 8 * n_fraction;
    out->hour = (uint32_t)(whole >> 12) & 0x3ff;
    out->minute = (uint32_t)(whole >> 6) & 63;
    out->second = (uint32_t)whole & 63;
    out->micro = fraction_micros(u & (((uint64_t)1 << 8 * n_fraction) - 1), n_fraction);
    return true;
}

static void set_from_epoch(int64_t seconds, struct cdc_datetime *out)
{
    int64_t days = seconds / 86400, year;
    uint32_t rest = (uint32_t)(seconds % 86400);
    unsigned month, day;
    out->epoch_s = seconds;
    if (seconds == 0 && out->micro == 0)
        return; /* the zero timestamp */
    clock_civil_from_days(days, &year, &month, &day);
    out->year = (uint32_t)year;
    out->month = month;
    out->day = day;
    out->hour = rest / 3600;
    out->minute = rest / 60 % 60;
    out->second = rest % 60;
}

/* ---- MariaDB's format with a fraction from before 10.1.2 (sql/field.cc, Field_…_hires) ----
 *
 * One big-endian number in units of the last declared digit: seconds and fraction of a TIMESTAMP
 * apart; of a DATETIME ((((year*13+month)*32+day)*24+hour)*60+minute)*60+second; of a TIME the
 * seconds, above a zero point of 839 hours. */

static const uint32_t micros_of_unit[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

static uint64_t take(uint64_t *v, uint64_t radix)
{
    uint64_t digit = *v % radix;
    *v /= radix;
    return digit;
}

static void take_clock(uint64_t *v, uint32_t unit, struct cdc_datetime *out)
{
    out->micro = (uint32_t)take(v, 1000000 / unit) * unit;
    out->second = (uint32_t)take(v, 60);
    out->minute = (uint32_t)take(v, 60);
}

static bool read_old_datetime_fraction(const uint8_t *p, size_t n, struct cdc_datetime *out)
{
    uint64_t v = wire_be(p, n);
    take_clock(&v, micros_of_unit[out->fsp], out);
    out->hour = (uint32_t)take(&v, 24);
    out->day = (uint32_t)take(&v, 32);
    out->month = (uint32_t)take(&v, 13);
    out->year = (uint32_t)v;
    return v <= 9999;
}

static bool read_old_time_fraction(const uint8_t *p, size_t n, struct cdc_datetime *out)
{
    uint32_t unit = micros_of_unit[out->fsp];
    int64_t zero = (int64_t)(839 * 3600) * (1000000 / unit);
    int64_t v = (int64_t)wire_be(p, n) - zero;
    uint64_t u = (uint64_t)(v < 0 ? -v : v);
    out->negative = v < 0;
    take_clock(&u, unit, out);
    out->hour = (uint32_t)u;
    return u < 839;
}

static bool read_old_timestamp_fraction(const uint8_t *p, size_t n, struct cdc_datetime *out)
{
    uint64_t fraction = wire_be(p + 4, n - 4), unit = micros_of_unit[out->fsp];
    if (fraction >= 1000000 / unit)
        return false;
    out->micro = (uint32_t)(fraction * unit);
    set_from_epoch((int64_t)wire_be(p, 4), out);
    return true;
}

static bool read_old_fraction(const struct cdc_value *v, struct cdc_datetime *out)
{
    out->fsp = v->column->meta;
    assert(out->fsp >= 1 && out->fsp <= 6);
    if (v->column->type == SCHEMA_TYPE_DATETIME)
        return read_old_datetime_fraction(v->p, v->n, out);
    if (v->column->type == SCHEMA_TYPE_TIME)
        return read_old_time_fraction(v->p, v->n, out);
    return read_old_timestamp_fraction(v->p, v->n, out);
}

/* HHMMSS and YYYYMMDDhhmmss as decimal numbers. A fraction of which nobody knows gives others. */
static bool read_old_time(const uint8_t *p, struct cdc_datetime *out)
{
    int32_t v = (int32_t)(wire_u24(p) << 8) >> 8;
    out->negative = v < 0;
    uint32_t u = (uint32_t)(v < 0 ? -v : v);
    out->hour = u / 10000;
    out->minute = u / 100 % 100;
    out->second = u % 100;
    return out->minute < 60 && out->second < 60;
}

static bool read_old_datetime(const uint8_t *p, struct cdc_datetime *out)
{
    uint64_t v = wire_u64(p);
    if (v > 99991231235959)
        return false;
    uint32_t date = (uint32_t)(v / 1000000 % 100000000), time = (uint32_t)(v % 1000000);
    out->year = date / 10000;
    out->month = date / 100 % 100;
    out->day = date % 100;
    out->hour = time / 10000;
    out->minute = time / 100 % 100;
    out->second = time % 100;
    return out->month < 13 && out->day < 32 && out->hour < 24 && out->minute < 60 &&
           out->second < 60;
}

bool cdc_value_datetime(const struct cdc_value *v, struct cdc_datetime *out)
{
    assert(!v->absent && !v->null);
    *out = (struct cdc_datetime){0};
    if (schema_type_is_old_time(v->column->type) && v->column->meta > 0)
        return read_old_fraction(v, out);
    switch (v->column->type) {
    case SCHEMA_TYPE_DATE:
    case SCHEMA_TYPE_NEWDATE:
        read_date(v->p, out);
        return true;
    case SCHEMA_TYPE_DATETIME2:
        out->fsp = v->column->meta;
        return read_datetime2(v->p, v->n, out);
    case SCHEMA_TYPE_TIME2:
        out->fsp = v->column->meta;
        return read_time2(v->p, v->n, out);
    case SCHEMA_TYPE_TIMESTAMP2:
        out->fsp = v->column->meta;
        out->micro = fraction_micros(wire_be(v->p + 4, v->n - 4), (unsigned)(v->n - 4));
        set_from_epoch((int64_t)wire_be(v->p, 4), out);
        return true;
    case SCHEMA_TYPE_TIMESTAMP:
        set_from_epoch(wire_u32(v->p), out);
        return true;
    case SCHEMA_TYPE_TIME:
        return read_old_time(v->p, out);
    case SCHEMA_TYPE_DATETIME:
        return read_old_datetime(v->p, out);
    default:
        return false;
    }
}

bool cdc_value_no_datetime(const struct cdc_value *v, struct err *e)
{
    err_set(e, ERR_LOG_FORMAT, "not a date or time");
    if (schema_type_is_old_time(v->column->type) && v->column->meta == 0)
        err_cure(e, "if it has a fraction in the format from before MariaDB 10.1.2 "
                    "(mysql56_temporal_format=OFF), only the live server knows its digits: use "
                    "sluice stream, or rebuild the table with that setting ON");
    return false;
}

static char *put_digits(char *to, uint32_t v, unsigned n)
{
    for (unsigned i = n; i > 0; i--, v /= 10)
        to[i - 1] = (char)('0' + v % 10);
    return to + n;
}

static char *put_fraction(char *to, uint32_t micro, unsigned fsp)
{
    if (fsp == 0)
        return to;
    *to = '.';
    (void)put_digits(to + 1, micro, 6);
    return to + 1 + fsp;
}

static char *put_time(char *to, const struct cdc_datetime *d)
{
    to = put_digits(to, d->hour, d->hour > 99 ? 3 : 2);
    *to++ = ':';
    to = put_digits(to, d->minute, 2);
    *to++ = ':';
    return put_digits(to, d->second, 2);
}

static char *put_date(char *to, const struct cdc_datetime *d)
{
    to = put_digits(to, d->year, 4);
    *to++ = '-';
    to = put_digits(to, d->month, 2);
    *to++ = '-';
    return put_digits(to, d->day, 2);
}

void cdc_datetime_print(const struct cdc_value *v, const struct cdc_datetime *d, struct buf *out)
{
    char text[48], *at = text;
    enum schema_value_kind kind = schema_column_kind(v->column);
    bool time_only = kind == SCHEMA_VALUE_TIME, date_only = kind == SCHEMA_VALUE_DATE;
    assert(d->fsp <= 6);
    if (d->negative)
        *at++ = '-';
    if (!time_only)
        at = put_date(at, d);
    if (!time_only && !date_only)
        *at++ = ' ';
    if (!date_only)
        at = put_fraction(put_time(at, d), d->micro, d->fsp);
    buf_put(out, text, (size_t)(at - text));
}
