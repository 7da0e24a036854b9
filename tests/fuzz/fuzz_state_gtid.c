/* tests/fuzz/fuzz_state_gtid.c — any bytes as GTID sets, GTIDs and positions, text and binary: what
 * is read is printed and read again as the same.
 */
#include "state/position.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void set_again(struct gtid_set *s)
{
    struct buf text CLEANUP(buf_fini) = BUF_INIT, bytes CLEANUP(buf_fini) = BUF_INIT;
    gtid_set_print(s, &text);
    struct gtid_set *again = gtid_set_parse(gtid_set_flavor(s), buf_str(&text), NULL);
    require(again && gtid_set_equal(s, again));
    if (gtid_set_flavor(s) == GTID_FLAVOR_MYSQL) {
        require(gtid_set_encode(s, &bytes));
        struct gtid_set *third = gtid_set_decode(bytes.data, bytes.len, NULL);
        require(third && gtid_set_equal(s, third));
        gtid_set_free(third);
    }
    gtid_set_free(again);
    gtid_set_free(s);
}

static void texts(const char *text)
{
    struct position pos = POSITION_INIT, again = POSITION_INIT;
    struct gtid g;
    for (int flavor = GTID_FLAVOR_MYSQL; flavor <= GTID_FLAVOR_MARIADB; flavor++) {
        struct gtid_set *s = gtid_set_parse((enum gtid_flavor)flavor, text, NULL);
        if (s)
            set_again(s);
    }
    (void)gtid_parse(text, &g, NULL);
    if (position_parse(text, &pos, NULL)) {
        char *printed = position_text(&pos);
        require(position_parse(printed, &again, NULL) && position_equal(&pos, &again));
        free(printed);
    }
    position_fini(&pos);
    position_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 20000)
        return 0;
    struct gtid_set *s = gtid_set_decode(data, n, NULL);
    if (s)
        set_again(s);
    char *text = malloc(n + 1);
    require(text != NULL);
    if (n)
        memcpy(text, data, n);
    text[n] = 0;
    texts(text);
    free(text);
    return 0;
}
