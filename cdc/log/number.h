/* cdc/log/number.h — floating-point numbers as the shortest decimal digits that read back the same.
 */
#ifndef SLUICE_CDC_LOG_NUMBER_H
#define SLUICE_CDC_LOG_NUMBER_H

#include "base/buf.h"

/* value = ±0.d1d2d3… × 10^point; digits without trailing zeros, "0" and point 1 for zero. */
struct number_digits {
    char digits[24];
    int n, point;
    bool negative;
};
void number_digits_double(double v, struct number_digits *out); /* finite */
void number_digits_float(float v, struct number_digits *out);
/* As MySQL prints doubles: plain from 10^-15 on up to 10^15, and beyond while there are digits
 * behind the point (1234567890123456.8), else "1.5e100". Valid JSON. Source: my_gcvt. */
void number_print(const struct number_digits *d, struct buf *out);
/* Digits as Java ≤ 18 finds them: at least two, and for powers of two within half the smaller
 * distance to a neighbour (Float.MIN_NORMAL is 1.17549435E-38 there). */
void number_digits_double_java(double v, struct number_digits *out);
void number_digits_float_java(float v, struct number_digits *out);
/* As Java's Double.toString and Float.toString: "100.0", "1.0E10", "1.0E-4". */
void number_print_java(const struct number_digits *d, struct buf *out);

#endif
