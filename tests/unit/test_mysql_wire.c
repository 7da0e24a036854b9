/* tests/unit/test_mysql_wire.c — parameters encoded as the protocol says, rows sliced inside their
 * packet, whatever the packet holds. */
#include "mysql/stmt_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct my_value bytes_value(const char *text)
{
    return (struct my_value){MY_VALUE_BYTES, {.bytes = {text, strlen(text)}}};
}

/* The expected bytes follow the example of COM_STMT_EXECUTE in the MySQL manual's layout. */
static void execute_request_has_bitmap_types_and_values(void **state)
{
    (void)state;
    struct my_value params[3] = {
        {MY_VALUE_I64, {.i64 = -2}}, {.type = MY_VALUE_NULL}, bytes_value("ab")};
    uint16_t types[3] = {STMT_WIRE_BYTES, STMT_WIRE_BYTES, STMT_WIRE_BYTES};
    static const uint8_t expected[] = {7,    0,    0,    0,    0,    1,   0,   0,    0,    0x02,
                                       1,    8,    0,    253,  0,    253, 0,   0xfe, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 2,   'a', 'b'};
    struct buf b = BUF_INIT;
    stmt_wire_put_execute(&b, 7, params, 3, types);
    assert_int_equal(b.len, sizeof expected);
    assert_memory_equal(b.data, expected, sizeof expected);
    buf_fini(&b);
}

static void a_null_keeps_the_type_that_was_sent_before(void **state)
{
    (void)state;
    struct my_value number = {MY_VALUE_U64, {.u64 = 1}}, null = {.type = MY_VALUE_NULL};
    uint16_t type = STMT_WIRE_BYTES;
    assert_true(stmt_wire_note_type(&number, &type));
    assert_int_equal(type, 0x8008);
    assert_false(stmt_wire_note_type(&null, &type));
    assert_int_equal(type, 0x8008);
}

static void bulk_rows_carry_an_indicator_for_each_value(void **state)
{
    (void)state;
    struct my_value row[3] = {
        bytes_value("x"), {.type = MY_VALUE_NULL}, {.type = MY_VALUE_DEFAULT}};
    uint16_t types[3] = {STMT_WIRE_BYTES, 8, 8};
    static const uint8_t expected[] = {9, 0, 0, 0, 128, 0, 253, 0, 8, 0, 8, 0, 0, 1, 'x', 1, 2};
    struct buf b = BUF_INIT;
    stmt_wire_put_bulk_head(&b, 9, types, 3);
    assert_true(stmt_wire_put_bulk_row(&b, row, 3, types));
    assert_int_equal(b.len, sizeof expected);
    assert_memory_equal(b.data, expected, sizeof expected);
    buf_fini(&b);
}

static void bulk_refuses_a_second_type_in_one_column(void **state)
{
    (void)state;
    struct my_value number = {MY_VALUE_I64, {.i64 = 1}};
    uint16_t types[1] = {STMT_WIRE_BYTES};
    struct buf b = BUF_INIT;
    assert_false(stmt_wire_put_bulk_row(&b, &number, 1, types));
    buf_fini(&b);
}

/* Columns: LONG, VARCHAR, DATETIME, VARCHAR; the second VARCHAR is NULL (bit 3 + 2). */
static const uint8_t row_packet[] = {0, 0x20, 1, 0, 0, 0, 2, 'h', 'i', 4, 0xe4, 7, 1, 2};
static int8_t widths[4];

static void set_widths(void)
{
    widths[0] = stmt_wire_width(3);
    widths[1] = stmt_wire_width(253);
    widths[2] = stmt_wire_width(12);
    widths[3] = stmt_wire_width(253);
}

static void a_row_is_sliced_into_cells_of_the_packet(void **state)
{
    (void)state;
    struct my_wire cells[4];
    set_widths();
    assert_true(stmt_wire_slice_row(row_packet, sizeof row_packet, widths, 4, cells));
    assert_int_equal(cells[0].n, 4);
    assert_int_equal(cells[1].n, 2);
    assert_memory_equal(cells[1].p, "hi", 2);
    assert_int_equal(cells[2].n, 4);
    assert_ptr_equal(cells[2].p, row_packet + 10);
    assert_null(cells[3].p);
}

static void every_shortened_row_is_refused(void **state)
{
    (void)state;
    struct my_wire cells[4];
    set_widths();
    for (size_t n = 1; n < sizeof row_packet; n++) {
        uint8_t *copy = malloc(n); /* exact size: a sanitizer sees any read behind it */
        assert_non_null(copy);
        memcpy(copy, row_packet, n);
        assert_false(stmt_wire_slice_row(copy, n, widths, 4, cells));
        free(copy);
    }
}

static void lengths_beyond_the_packet_are_refused(void **state)
{
    (void)state;
    static const uint8_t lengths[][11] = {
        {0, 0, 250, 1},
        {0, 0, 251},
        {0, 0, 252, 0xff, 0xff},
        {0, 0, 253, 0xff, 0xff, 0xff},
        {0, 0, 254, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
        {0, 0, 255},
    };
    int8_t text = stmt_wire_width(252);
    struct my_wire cell;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_false(stmt_wire_slice_row(lengths[i], sizeof lengths[i], &text, 1, &cell));
}

static void long_values_have_their_length_in_front(void **state)
{
    (void)state;
    static const size_t sizes[] = {250, 251, 65535, 65536, 16777215, 16777216};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = calloc(1, sizes[i] + 1);
        assert_non_null(text);
        memset(text, 'z', sizes[i]);
        struct my_value v = {MY_VALUE_BYTES, {.bytes = {text, sizes[i]}}};
        uint16_t type = STMT_WIRE_BYTES;
        struct buf b = BUF_INIT;
        buf_put_le(&b, 0, 2); /* a row's first byte and bitmap */
        size_t head = 4 + 1 + 4 + 1 + 1 + 2;
        struct buf request = BUF_INIT;
        stmt_wire_put_execute(&request, 1, &v, 1, &type);
        buf_put(&b, request.data + head, request.len - head);
        int8_t width = stmt_wire_width(252);
        struct my_wire cell;
        assert_true(stmt_wire_slice_row(b.data, b.len, &width, 1, &cell));
        assert_int_equal(cell.n, sizes[i]);
        assert_memory_equal(cell.p, text, sizes[i]);
        buf_fini(&request);
        buf_fini(&b);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(execute_request_has_bitmap_types_and_values),
        cmocka_unit_test(a_null_keeps_the_type_that_was_sent_before),
        cmocka_unit_test(bulk_rows_carry_an_indicator_for_each_value),
        cmocka_unit_test(bulk_refuses_a_second_type_in_one_column),
        cmocka_unit_test(a_row_is_sliced_into_cells_of_the_packet),
        cmocka_unit_test(every_shortened_row_is_refused),
        cmocka_unit_test(lengths_beyond_the_packet_are_refused),
        cmocka_unit_test(long_values_have_their_length_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
